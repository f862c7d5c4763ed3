"""The audit of auxiliary series: a suite for daily values and one for hourly bars."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ringside.adapters.audit_suites import MAX_PRICE, Check, between, not_above_usual
from ringside.adapters.expectations import find_all, run_checks
from ringside.adapters.observation_store import Observation, RawValues
from ringside.core.audits import BatchAudit, find_refusal
from ringside.core.known_values import AuxiliarySeries

if TYPE_CHECKING:
    import pandas as pd

_LEAST_ROWS = 30
_USUAL_TIMES = 2.0

_OF_ALL = (
    Check(
        "value_is_a_number",
        "ExpectColumnValuesToBeOfType",
        {"column": "value", "type_": "float64"},
        "the values hold something other than numbers",
    ),
    Check("value_is_there", "ExpectColumnValuesToNotBeNull", {"column": "value"}, "no value"),
    Check(
        "time_is_unique",
        "ExpectColumnValuesToBeUnique",
        {"column": "open_time"},
        "the time {open_time} came more than once",
    ),
    between(
        "value_is_a_price",
        "value",
        "value {value} must be above 0",
        min_value=0,
        strict_min=True,
        max_value=MAX_PRICE,
    ),
    between(
        "was_known",
        "seconds_since_known",
        "it was known at {known_at}, after {as_of}",
        min_value=0,
    ),
    not_above_usual(
        "change_is_usual",
        "change_frac",
        "usual_change_frac",
        "it changed by {change_frac} (as a fraction); twice the largest of its own history is"
        " {usual_change_frac}",
    ),
    not_above_usual(
        "is_fresh",
        "hours_since_newest",
        "max_age_hours",
        "the newest value is {hours_since_newest} hours old and counts as missing",
    ),
)
DAILY_CHECKS: tuple[Check, ...] = (
    *_OF_ALL,
    between(
        "is_a_date",
        "seconds_past_grid",
        "{open_time} is no date: a daily value is stamped at midnight UTC",
        min_value=0,
        max_value=0,
    ),
    between("is_a_weekday", "weekday", "{open_time} is no weekday", max_value=4),
)
HOURLY_CHECKS: tuple[Check, ...] = (
    *_OF_ALL,
    between(
        "starts_on_the_hour",
        "seconds_past_grid",
        "it starts at {open_time}, which is not a full hour",
        min_value=0,
        max_value=0,
    ),
)


def audit_values(
    batch: RawValues, series: AuxiliarySeries, *, as_of: datetime, newest: datetime | None
) -> BatchAudit:
    """Audit a batch as fetched, with at least one row, with the suite of its kind.

    Args:
        batch: What was fetched.
        series: What it is of.
        as_of: The instant at which every value must have been known; aware.
        newest: When the newest published value was known; it only keeps an old gap from being
            called stale.
    """
    checks = DAILY_CHECKS if series.is_daily else HOURLY_CHECKS
    frame = _make_frame(series, batch.rows, as_of=as_of, newest=newest)
    name = "daily_values" if series.is_daily else "hourly_bars"
    failures, warned = find_all(checks, frame, run_checks(frame, name, checks), as_of=as_of)
    refusal = find_refusal(failures, len(batch.rows))
    failures += [] if refusal is None else [refusal]
    return BatchAudit(
        batch_id=batch.batch_id,
        symbol=series.name,
        venue=batch.venue,
        rows=len(batch.rows),
        is_refused=any(finding.row_number is None for finding in failures),
        failures=tuple(failures),
        warnings=tuple(warned),
    )


def _make_frame(
    series: AuxiliarySeries,
    rows: Sequence[Observation],
    *,
    as_of: datetime,
    newest: datetime | None,
) -> "pd.DataFrame":
    """Lay the rows out with the columns that the checks compare."""
    import pandas as pd

    grid_s = 86_400 if series.is_daily else 3_600
    frame = pd.DataFrame(
        {
            "open_time": [row.time.replace(tzinfo=None) for row in rows],
            "known_at": [row.known_at.replace(tzinfo=None) for row in rows],
            "value": np.array([row.value for row in rows], dtype="float64"),
            "seconds_since_known": [(as_of - row.known_at).total_seconds() for row in rows],
            "seconds_past_grid": [float(row.time.timestamp() % grid_s) for row in rows],
            "weekday": [row.time.weekday() for row in rows],
        }
    )
    change = frame["value"].pct_change(fill_method=None).abs()
    frame["change_frac"] = change
    is_enough = len(rows) >= _LEAST_ROWS
    # A row is measured by those before it, so that its own leap does not call itself usual.
    before = change.expanding(_LEAST_ROWS // 2).max().shift(1) if is_enough else np.nan
    frame["usual_change_frac"] = _USUAL_TIMES * before
    frame["hours_since_newest"] = np.nan
    last = max(range(len(rows)), key=lambda number: rows[number].known_at)
    known_at = max(rows[last].known_at, newest or rows[last].known_at)
    frame.loc[last, "hours_since_newest"] = (as_of - known_at).total_seconds() / 3600
    frame["max_age_hours"] = float(series.max_age_hours)
    return frame
