"""What the audit of a fetched batch says: findings on rows, and when all of it is refused."""

from collections.abc import Sequence
from dataclasses import dataclass

REFUSE_FRAC = 0.10  # more failing rows than this, and the batch as a whole is not to be trusted
REFUSE_ROWS = 3  # unless there are fewer than this: an hourly batch has only a handful of rows


@dataclass(frozen=True)
class Finding:
    """What is wrong with one row, or with the whole batch when `row_number` is None.

    `open_time` is the row's, in ISO 8601; `reason` is a plain English sentence.
    """

    row_number: int | None
    open_time: str | None
    expectation: str
    reason: str


@dataclass(frozen=True)
class BatchAudit:
    """The audit of one batch. Rows named in `failures` are refused; all rows if `is_refused`."""

    batch_id: str
    symbol: str
    venue: str
    rows: int
    is_refused: bool
    failures: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    @property
    def refused_rows(self) -> int:
        """How many rows go to quarantine."""
        return self.rows if self.is_refused else count_rows(self.failures)


def count_rows(findings: Sequence[Finding]) -> int:
    """Count the different rows that findings name."""
    return len({finding.row_number for finding in findings} - {None})


def find_refusal(failures: Sequence[Finding], rows: int) -> Finding | None:
    """Find why a batch of `rows` rows is refused as a whole; None when its good rows may pass.

    Examples:
        >>> bad = [Finding(i, "2025-01-01T00:00:00+00:00", "close_is_there", "") for i in range(3)]
        >>> find_refusal(bad, 24).reason
        'the batch is refused as a whole: 3 of its 24 rows fail, more than 10%'
        >>> find_refusal(bad[:2], 4) is None
        True
    """
    failing = count_rows(failures)
    if failing < REFUSE_ROWS or failing <= REFUSE_FRAC * rows:
        return None
    reason = (
        f"the batch is refused as a whole: {failing} of its {rows} rows fail,"
        f" more than {REFUSE_FRAC:.0%}"
    )
    return Finding(None, None, "few_rows_fail", reason)
