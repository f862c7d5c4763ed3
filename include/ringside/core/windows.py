"""Spans of hours to ask a source for: found from what is missing, cut into chunks, joined."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)

Span = tuple[datetime, datetime]
"""Open times in [start, end), full hours, aware."""


def group_hours(hours: Iterable[datetime], *, bridge_hours: int = 24) -> list[Span]:
    """Join hours into spans, oldest first; hours at most `bridge_hours` apart share one.

    Examples:
        >>> from datetime import UTC
        >>> at = lambda hour: datetime(2025, 1, 1, hour, tzinfo=UTC)
        >>> [(a.hour, b.hour) for a, b in group_hours([at(9), at(1), at(2)], bridge_hours=3)]
        [(1, 3), (9, 10)]
    """
    spans: list[Span] = []
    for hour in sorted(hours):
        if spans and hour - spans[-1][1] <= bridge_hours * HOUR:
            spans[-1] = (spans[-1][0], max(spans[-1][1], hour + HOUR))
        else:
            spans.append((hour, hour + HOUR))
    return spans


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Join spans that touch or overlap, oldest first."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def widen_spans(spans: Sequence[Span], *, end: datetime, reach: timedelta = HOUR) -> list[Span]:
    """Add what is within `reach` before and after each span, nothing from `end` on.

    An answer that holds both neighbours of a missing hour proves that the source spans it.
    """
    return join_spans((start - reach, min(stop + reach, end)) for start, stop in spans)


def cut_span(span: Span, *, chunk_hours: int) -> list[Span]:
    """Cut a span into chunks of `chunk_hours`, oldest first; the last may be shorter.

    Raises:
        ValueError: `chunk_hours` is below 1.
    """
    if chunk_hours < 1:
        raise ValueError(f"a chunk has at least 1 hour, got {chunk_hours}")
    start, end = span
    chunks = []
    while start < end:
        stop = min(start + chunk_hours * HOUR, end)
        chunks.append((start, stop))
        start = stop
    return chunks
