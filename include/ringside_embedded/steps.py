"""Shows work step by step: what was done, how it went, how long it took."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


class Step:
    """A step under way; `outcome` is shown when it is done."""

    def __init__(self, title: str, refresh: Callable[[], None]) -> None:
        self.title = title
        self.outcome = "done"
        self.note = ""
        self._refresh = refresh

    def say(self, note: str) -> None:
        """Show how far it is."""
        self.note = note
        self._refresh()


class Steps:
    """Numbers and times the steps; several may be under way at once, in threads."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._lock = threading.RLock()
        self._under_way: list[Step] = []
        self._status = console.status("") if console.is_terminal else None

    @contextmanager
    def show(self) -> Iterator[None]:
        """Show, on a terminal, what is under way for the length of the block."""
        if self._status is None:
            yield
            return
        with self._status:
            yield

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show `title` as under way, then its outcome and time; a failure is shown as one."""
        step = Step(title, self._refresh)
        started = time.monotonic()
        with self._lock:
            self._under_way.append(step)
            self._refresh()
        try:
            yield step
        except BaseException as error:
            is_consequence = getattr(error, "is_consequence", False)
            step.outcome = "not waited for" if is_consequence else "[red]failed[/]"
            raise
        finally:
            self._finish(step, time.monotonic() - started)

    def _finish(self, step: Step, elapsed_s: float) -> None:
        with self._lock:
            self._under_way.remove(step)
            self._refresh()
            self._done += 1
            number = f"\\[{self._done:>2}/{self._total}]"
            line = f"{number} {step.title} ... {step.outcome}  [dim]{elapsed_s:.1f} s[/]"
            self._console.print(line, highlight=False, soft_wrap=True)

    def _refresh(self) -> None:
        if self._status is None:
            return
        with self._lock:
            shown = [f"{s.title} ({s.note})" if s.note else s.title for s in self._under_way]
        self._status.update(", ".join(shown))
