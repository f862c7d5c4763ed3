"""The audit of candles between write and publish, by Great Expectations.

One call audits all batches of a run, of all series: the import takes seconds, the rows tenths.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ringside.adapters.audit_frame import make_frame
from ringside.adapters.audit_suites import CANDLE_CHECKS
from ringside.adapters.candle_store import RawBatch
from ringside.adapters.expectations import find_all, run_checks
from ringside.core.audits import BatchAudit, Finding, find_refusal
from ringside.core.candles import Candles

OWN_JUDGEMENT = frozenset({"is_of_this_venue"})
"""Checks that name single rows of a sound answer; they never refuse the rows beside them."""


def audit_rows(
    batches: Sequence[RawBatch],
    *,
    as_of: datetime,
    newest: Mapping[str, datetime | None],
    histories: Mapping[str, Candles] | None = None,
    venues: Mapping[str, Sequence[str]] | None = None,
) -> list[BatchAudit]:
    """Audit batches as fetched, all in one call of Great Expectations.

    Args:
        batches: What was fetched, each with at least one row.
        as_of: The instant at which every candle must have closed; aware.
        newest: Per symbol the open time of its newest published candle; it only keeps a
            back-fill of the past from being called stale.
        histories: Per batch id the published candles before it, for what is usual and for the
            last published close; without them a batch is measured by itself.
        venues: Per symbol the venues it may hold, the authority first; without them any.

    Returns:
        One audit per batch, in the order given. A batch is refused as a whole when too many of
        its rows fail, when a column is broken, or when it comes from a venue nobody named.
    """
    if not batches:
        return []
    frame = make_frame(batches, as_of=as_of, newest=newest, histories=histories or {})
    failed_rows = run_checks(frame, "hourly_candles", CANDLE_CHECKS)
    audits = []
    first = 0
    for batch in batches:
        rows = frame.iloc[first : first + len(batch.candles)]
        failures, warned = find_all(CANDLE_CHECKS, rows, failed_rows, as_of=as_of)
        failures += _find_whole_faults(batch, failures, venues or {})
        audits.append(_make_audit(batch, failures, warned))
        first += len(batch.candles)
    return audits


def _make_audit(
    batch: RawBatch, failures: Sequence[Finding], warned: Sequence[Finding]
) -> BatchAudit:
    return BatchAudit(
        batch_id=batch.batch_id,
        symbol=batch.candles.symbol,
        venue=batch.venue,
        rows=len(batch.candles),
        is_refused=any(finding.row_number is None for finding in failures),
        failures=tuple(failures),
        warnings=tuple(warned),
    )


def _find_whole_faults(
    batch: RawBatch, failures: Sequence[Finding], venues: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """Find why the batch as a whole is refused; nothing when its good rows may pass."""
    damaged = [finding for finding in failures if finding.expectation not in OWN_JUDGEMENT]
    refusal = find_refusal(damaged, len(batch.candles))
    faults = [] if refusal is None else [refusal]
    symbol = batch.candles.symbol
    if symbol in venues and batch.venue not in venues[symbol]:
        reason = (
            f"it comes from {batch.venue}, and the settings name only"
            f" {', '.join(venues[symbol])} for {symbol}"
        )
        faults.append(Finding(None, None, "venue_is_named", reason))
    return faults
