"""Runs a suite of checks with Great Expectations, and puts what failed into words."""

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING

from ringside.adapters.audit_suites import Check
from ringside.core.audits import Finding

if TYPE_CHECKING:
    import pandas as pd


def _load_great_expectations() -> tuple[ModuleType, ModuleType]:
    """Import Great Expectations: four seconds and 300 MB, so never at the top of a module."""
    with warnings.catch_warnings():
        # It imports a module of the standard library that is deprecated since Python 3.11.
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx
        import great_expectations.expectations as gxe
    return gx, gxe


def run_checks(
    frame: "pd.DataFrame", suite_name: str, checks: Sequence[Check]
) -> dict[str, list[int] | None]:
    """Run a suite over the frame; per failed check its rows, or None where no row is named."""
    gx, gxe = _load_great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("fetched").add_dataframe_asset("raw_candles")
    suite = gx.ExpectationSuite(
        suite_name,
        expectations=[
            getattr(gxe, check.kind)(
                **check.arguments,
                severity="warning" if check.is_warning else "critical",
                meta={"check": check.name},
            )
            for check in checks
        ],
    )
    batch = asset.add_batch_definition_whole_dataframe("run").get_batch({"dataframe": frame})
    # A checkpoint runs the same checks, and copies them and their result a few times more.
    results = batch.validate(suite, result_format="COMPLETE")
    failed: dict[str, list[int] | None] = {}
    for result in results.results:
        # A check that broke down has no verdict; an empty answer must not pass for a clean one.
        if result.exception_info.get("raised_exception", True):
            raise RuntimeError(f"a check could not be run: {result.exception_info}")
        if not result.success:
            name = result.expectation_config.meta["check"]
            failed[name] = result.result.get("unexpected_index_list")
    return failed


def find_all(
    checks: Sequence[Check],
    rows: "pd.DataFrame",
    failed_rows: Mapping[str, Sequence[int] | None],
    *,
    as_of: datetime,
) -> tuple[list[Finding], list[Finding]]:
    """Put what failed in the frame's `rows` into words: failures and warnings, check by check."""
    failures: list[Finding] = []
    warned: list[Finding] = []
    for check in checks:
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
    return failures, warned


def _make_finding(check: Check, rows: "pd.DataFrame", number: int, as_of: datetime) -> Finding:
    """Fill the check's reason with the values of the row."""
    row = rows.loc[number]
    words = {
        str(name): f"{value:.10g}" if isinstance(value, float) else str(value)
        for name, value in row.to_dict().items()
    }
    for name in {"open_time", "close_time", "known_at"} & set(rows.columns):
        words[name] = row[name].strftime("%Y-%m-%d %H:%M:%S UTC")
    words["as_of"] = as_of.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Finding(
        row_number=number - int(rows.index[0]),
        open_time=row["open_time"].isoformat() + "+00:00",
        expectation=check.name,
        reason=check.reason.format(**words),
    )
