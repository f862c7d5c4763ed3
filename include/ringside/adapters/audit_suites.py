"""The suites of the audit, in code: what must hold for each kind of series, in plain words."""

from collections.abc import Mapping
from dataclasses import dataclass, field

VALUES = ("open", "high", "low", "close", "volume")

MAX_PRICE = 1e12
MAX_VOLUME = 1e18


@dataclass(frozen=True)
class Check:
    """One expectation, and its plain words; `reason` is filled with the values of the row."""

    name: str
    kind: str
    arguments: Mapping[str, object]
    reason: str
    is_warning: bool = field(default=False, kw_only=True)


def between(
    name: str, column: str, reason: str, *, is_warning: bool = False, **limits: object
) -> Check:
    """Make a check that a column lies within limits."""
    arguments = {"column": column, **limits}
    kind = "ExpectColumnValuesToBeBetween"
    return Check(name, kind, arguments, reason, is_warning=is_warning)


def _not_below(upper: str, lower: str) -> Check:
    arguments = {
        "column_A": upper,
        "column_B": lower,
        "or_equal": True,
        "ignore_row_if": "either_value_is_missing",
    }
    reason = f"{upper} {{{upper}}} is below {lower} {{{lower}}}"
    kind = "ExpectColumnPairValuesAToBeGreaterThanB"
    return Check(f"{upper}_not_below_{lower}", kind, arguments, reason)


def not_above_usual(name: str, column: str, usual: str, reason: str) -> Check:
    """Make a warning for rows above what another column calls usual; NaN says nothing."""
    arguments = {
        "column_A": usual,
        "column_B": column,
        "or_equal": True,
        "ignore_row_if": "either_value_is_missing",
    }
    kind = "ExpectColumnPairValuesAToBeGreaterThanB"
    return Check(name, kind, arguments, reason, is_warning=True)


# Columns the frame adds to those of a candle are described in `audit_frame.py`.
CANDLE_CHECKS: tuple[Check, ...] = (
    *(
        Check(
            f"{name}_is_a_number",
            "ExpectColumnValuesToBeOfType",
            {"column": name, "type_": "float64"},
            f"column {name} holds something other than numbers",
        )
        for name in VALUES
    ),
    *(
        Check(
            f"{name}_is_there",
            "ExpectColumnValuesToNotBeNull",
            {"column": name},
            f"{name} is missing",
        )
        for name in VALUES
    ),
    between(
        "opens_on_the_hour",
        "seconds_past_hour",
        "it opens at {open_time}, which is not a full hour",
        min_value=0,
        max_value=0,
    ),
    Check(
        "open_time_is_unique",
        "ExpectCompoundColumnsToBeUnique",
        {"column_list": ["batch_id", "open_time"]},
        "the open time {open_time} came more than once, and nothing tells which candle is right",
    ),
    between(
        "is_closed",
        "seconds_since_close",
        "it closes at {close_time}, after {as_of}: it was still forming",
        min_value=0,
    ),
    *(
        between(
            f"{name}_is_a_price",
            name,
            f"{name} {{{name}}} is no price: it must be above 0 and at most {MAX_PRICE:g}",
            min_value=0,
            strict_min=True,
            max_value=MAX_PRICE,
        )
        for name in ("open", "high", "low", "close")
    ),
    between(
        "volume_is_not_negative",
        "volume",
        f"volume {{volume}} must be at least 0 and at most {MAX_VOLUME:g}",
        min_value=0,
        max_value=MAX_VOLUME,
    ),
    _not_below("high", "low"),
    _not_below("high", "open"),
    _not_below("high", "close"),
    _not_below("open", "low"),
    _not_below("close", "low"),
    between(
        "is_of_this_venue",
        "is_strange",
        "by its price and its volume it is another venue's: it opens {joint_frac} (as a fraction)"
        " from the close before it, and it or the rows beside it have less than half the usual"
        " volume, or prices on a coarser step than this venue's",
        max_value=0,
    ),
    between(
        "no_hour_is_missing",
        "hours_since_previous",
        "it opens {hours_since_previous} hours after the candle before it; 1 is expected",
        max_value=1,
        is_warning=True,
    ),
    not_above_usual(
        "joins_the_last_close",
        "joint_frac",
        "usual_joint",
        "it opens {joint_frac} (as a fraction) from the close before it;"
        " by its own history at most {usual_joint}",
    ),
    not_above_usual(
        "range_is_usual",
        "range_frac",
        "usual_range_frac",
        "high {high} is {range_frac} (as a fraction) above low {low};"
        " by its own history at most {usual_range_frac}",
    ),
    not_above_usual(
        "volume_is_usual",
        "volume",
        "usual_volume",
        "volume {volume} is above {usual_volume}, three times the largest of its own history",
    ),
    between(
        "was_traded",
        "volume",
        "nothing was traded in this hour",
        min_value=0,
        strict_min=True,
        is_warning=True,
    ),
    between(
        "is_fresh",
        "hours_since_newest",
        "the newest candle closed {hours_since_newest} hours before {as_of}",
        max_value=1,
        strict_max=True,
        is_warning=True,
    ),
)
