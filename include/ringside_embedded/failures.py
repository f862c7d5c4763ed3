"""The one error of the launcher: what failed, where its log is, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LOG_LINES = 12


@dataclass
class LaunchError(Exception):
    """A step failed in a way that a person has to know of."""

    what: str
    advice: str
    log: Path | None = None
    said: Sequence[str] = ()  # the last words, where there is no log file
    is_consequence: bool = False  # of another failure, which says more

    def __str__(self) -> str:
        return f"{self.what} {self.advice}"

    def log_end(self) -> list[str]:
        """Give the last lines of the log, at most `LOG_LINES`; none when there is no log yet."""
        if self.log is None or not self.log.exists():
            return list(self.said)
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 16_384))
            text = file.read().decode(errors="replace")
        return text.splitlines()[-LOG_LINES:]
