"""When a failed task is tried again: after the wait the venue asked for, or not at all."""

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import RetryDecision, RetryPolicy

from ringside.errors import RateLimitedError

if TYPE_CHECKING:
    from airflow.sdk import Context

LONGEST_WAIT = timedelta(minutes=30)
"""A venue that asks for more is left alone until the next hour's run."""


class WaitAsAsked(RetryPolicy):
    """Try again when the venue's own wait is over; every other error keeps the task's delays."""

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: "Context | None" = None,
    ) -> RetryDecision:
        """Decide by the error that ended the task; asking sooner would lengthen a ban."""
        if not isinstance(exception, RateLimitedError) or exception.retry_after_s is None:
            return RetryDecision.default()
        wait = timedelta(seconds=exception.retry_after_s + 1)
        if wait > LONGEST_WAIT:
            return RetryDecision.fail(f"the venue asks for a wait of {wait}; the next run asks")
        return RetryDecision.retry(wait, f"the venue asks for a wait of {wait}")
