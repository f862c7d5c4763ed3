"""Asks serving until every worker of every replica has shown the champions it ought to serve."""

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ringside.adapters.serving import Served, ServingAnswer, ask_replicas
from ringside.core.titles import Title
from ringside.errors import ServingUnavailableError
from ringside.settings import Settings

_log = logging.getLogger(__name__)
ANSWERS_IN_A_ROW = 5
POLL_S = 0.05


@dataclass(frozen=True)
class ProofFacts:
    """The keys of the workers seen to serve the new champions, and how long that took."""

    workers: tuple[str, ...]
    seconds: float


def await_serving(settings: Settings) -> ServingAnswer:
    """Ask until serving answers; it may be starting.

    Raises:
        ServingUnavailableError: it did not within `reload_timeout_s`.
    """
    deadline = time.monotonic() + settings.reload_timeout_s
    while True:
        try:
            return ask_replicas(settings)
        except ServingUnavailableError:
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL_S)


def prove(
    settings: Settings, expected: Mapping[Title, Served], *, former_workers: Collection[str] = ()
) -> ProofFacts:
    """Ask every replica, each time anew, until nothing but the expected champions answers.

    A worker forecasts the golden hours when it loads a model, and answers only after that. Proven
    when no former worker is left, every live worker has itself answered with the expected versions
    and checksums, and so did the workers behind the last five answers.

    Raises:
        ServingUnavailableError: not proven within `reload_timeout_s`; the message says which doubt
            was left.
    """
    started = time.monotonic()
    answered: set[str] = set()
    in_a_row, doubt, silent = 0, "it was not asked yet", [""]
    while in_a_row < ANSWERS_IN_A_ROW or silent:
        if time.monotonic() - started > settings.reload_timeout_s:
            raise ServingUnavailableError(
                f"serving did not change over within {settings.reload_timeout_s} s: "
                + (doubt or f"workers {silent} have not answered for themselves")
            )
        try:
            answer = ask_replicas(settings)
            doubt = find_doubt(answer, expected, former_workers)
            answered |= {worker.key for worker in answer.answered_by}
            silent = sorted({worker.key for worker in answer.workers} - answered)
        except ServingUnavailableError as error:
            doubt = str(error)
        in_a_row = 0 if doubt else in_a_row + 1
        if doubt:
            time.sleep(POLL_S)
    seconds = round(time.monotonic() - started, 3)
    facts = ProofFacts(tuple(worker.key for worker in answer.workers), seconds)
    _log.info("proved workers=%s seconds=%s", list(facts.workers), facts.seconds)
    return facts


def find_doubt(
    answer: ServingAnswer, expected: Mapping[Title, Served], former_workers: Collection[str]
) -> str:
    """Say what in an answer speaks against every worker serving `expected`; empty if nothing."""
    manned = {worker.replica for worker in answer.workers}
    unmanned = [worker.replica for worker in answer.answered_by if worker.replica not in manned]
    if unmanned or not answer.workers:
        return f"serving names no live worker {' '.join(unmanned)}".strip()
    former = sorted({worker.key for worker in answer.workers} & set(former_workers))
    if former:
        return f"workers of before the reload still live: {former}"
    for worker in (*answer.answered_by, *answer.workers):
        for title, served in expected.items():
            if worker.titles.get(title) != served:
                return (
                    f"worker {worker.key} serves {worker.titles.get(title)} for "
                    f"{title.symbol} h{title.horizon}, not {served}"
                )
    return ""
