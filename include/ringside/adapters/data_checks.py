"""The audit between write and publish: what must hold for a candle, by Great Expectations.

One call audits all batches of a run, of all series: the import takes seconds, the rows tenths.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING

from ringside.adapters.audit_frame import make_frame
from ringside.adapters.candle_store import VALUES, RawBatch
from ringside.core.audits import BatchAudit, Finding, find_refusal

if TYPE_CHECKING:
    import pandas as pd

MAX_PRICE = 1e12
MAX_VOLUME = 1e18
MAX_RANGE_FRAC = 0.25


@dataclass(frozen=True)
class Check:
    """One expectation, and its plain words; `reason` is filled with the values of the row."""

    name: str
    kind: str
    arguments: Mapping[str, object]
    reason: str
    is_warning: bool = field(default=False, kw_only=True)


def _between(
    name: str, column: str, reason: str, *, is_warning: bool = False, **limits: object
) -> Check:
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


# Columns the frame adds to those of a candle are described in `audit_frame.py`.
CHECKS: tuple[Check, ...] = (
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
    _between(
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
    _between(
        "is_closed",
        "seconds_since_close",
        "it closes at {close_time}, after {as_of}: it was still forming",
        min_value=0,
    ),
    *(
        _between(
            f"{name}_is_a_price",
            name,
            f"{name} {{{name}}} is no price: it must be above 0 and at most {MAX_PRICE:g}",
            min_value=0,
            strict_min=True,
            max_value=MAX_PRICE,
        )
        for name in ("open", "high", "low", "close")
    ),
    _between(
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
    _between(
        "no_hour_is_missing",
        "hours_since_previous",
        "it opens {hours_since_previous} hours after the candle before it; 1 is expected",
        max_value=1,
        is_warning=True,
    ),
    _between(
        "range_is_usual",
        "range_frac",
        f"high {{high}} is more than {MAX_RANGE_FRAC:.0%} above low {{low}}",
        max_value=MAX_RANGE_FRAC,
        is_warning=True,
    ),
    _between(
        "was_traded",
        "volume",
        "nothing was traded in this hour",
        min_value=0,
        strict_min=True,
        is_warning=True,
    ),
    _between(
        "is_fresh",
        "hours_since_newest",
        "the newest candle closed {hours_since_newest} hours before {as_of}",
        max_value=1,
        strict_max=True,
        is_warning=True,
    ),
)


def audit_rows(
    batches: Sequence[RawBatch], *, as_of: datetime, newest: Mapping[str, datetime | None]
) -> list[BatchAudit]:
    """Audit batches as fetched, all in one call of Great Expectations.

    Args:
        batches: What was fetched, each with at least one row.
        as_of: The instant at which every candle must have closed; aware.
        newest: Per symbol the open time of its newest published candle; it only keeps a
            back-fill of the past from being called stale.

    Returns:
        One audit per batch, in the order given. A batch is refused as a whole when too many of
        its rows fail, or when a column is broken.
    """
    if not batches:
        return []
    frame = make_frame(batches, as_of=as_of, newest=newest)
    failed_rows = _run_checks(frame)
    audits = []
    first = 0
    for batch in batches:
        rows = range(first, first + len(batch.candles))
        audits.append(_make_audit(batch, frame.iloc[rows.start : rows.stop], failed_rows, as_of))
        first = rows.stop
    return audits


def _load_great_expectations() -> tuple[ModuleType, ModuleType]:
    """Import Great Expectations: four seconds and 300 MB, so never at the top of a module."""
    with warnings.catch_warnings():
        # It imports a module of the standard library that is deprecated since Python 3.11.
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx
        import great_expectations.expectations as gxe
    return gx, gxe


def _run_checks(frame: "pd.DataFrame") -> dict[str, list[int] | None]:
    """Run every check over the frame; per failed check its rows, or None where no row is named."""
    gx, gxe = _load_great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("fetched").add_dataframe_asset("raw_candles")
    suite = gx.ExpectationSuite(
        "hourly_candles",
        expectations=[
            getattr(gxe, check.kind)(
                **check.arguments,
                severity="warning" if check.is_warning else "critical",
                meta={"check": check.name},
            )
            for check in CHECKS
        ],
    )
    definition = gx.ValidationDefinition(
        name="audit",
        data=asset.add_batch_definition_whole_dataframe("run"),
        suite=context.suites.add(suite),
    )
    checkpoint = gx.Checkpoint(
        name="audit",
        validation_definitions=[context.validation_definitions.add(definition)],
        result_format="COMPLETE",
    )
    outcome = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    (results,) = outcome.run_results.values()
    failed: dict[str, list[int] | None] = {}
    for result in results.results:
        # A check that broke down has no verdict; an empty answer must not pass for a clean one.
        if result.exception_info.get("raised_exception", True):
            raise RuntimeError(f"a check could not be run: {result.exception_info}")
        if not result.success:
            name = result.expectation_config.meta["check"]
            failed[name] = result.result.get("unexpected_index_list")
    return failed


def _make_audit(
    batch: RawBatch,
    rows: "pd.DataFrame",
    failed_rows: Mapping[str, Sequence[int] | None],
    as_of: datetime,
) -> BatchAudit:
    """Put what the checks found in the frame's `rows` into words, in the order of `CHECKS`."""
    failures: list[Finding] = []
    warned: list[Finding] = []
    for check in CHECKS:
        if check.name not in failed_rows:
            continue
        found = warned if check.is_warning else failures
        numbers = failed_rows[check.name]
        if numbers is None:
            found.append(Finding(None, None, check.name, check.reason))
            continue
        for number in numbers:
            if number in rows.index:
                found.append(_make_finding(check, rows, number, as_of))
    refusal = find_refusal(failures, len(rows))
    if refusal is not None:
        failures.append(refusal)
    return BatchAudit(
        batch_id=batch.batch_id,
        symbol=batch.candles.symbol,
        venue=batch.venue,
        rows=len(rows),
        is_refused=any(finding.row_number is None for finding in failures),
        failures=tuple(failures),
        warnings=tuple(warned),
    )


def _make_finding(check: Check, rows: "pd.DataFrame", number: int, as_of: datetime) -> Finding:
    """Fill the check's reason with the values of the row."""
    row = rows.loc[number]
    words = {
        str(name): f"{value:.10g}" if isinstance(value, float) else str(value)
        for name, value in row.to_dict().items()
    }
    for name in ("open_time", "close_time"):
        words[name] = row[name].strftime("%Y-%m-%d %H:%M:%S UTC")
    words["as_of"] = as_of.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Finding(
        row_number=number - int(rows.index[0]),
        open_time=row["open_time"].isoformat() + "+00:00",
        expectation=check.name,
        reason=check.reason.format(**words),
    )
