"""The policy ledger: what other ways to choose would have cost, kept as a table for the charts."""

import logging

from ringside.adapters.database import make_engine
from ringside.adapters.title_store import TitleStore
from ringside.core.candles import to_datetime64
from ringside.core.gate.policies import HeldSpan, compare_policies, follow_title
from ringside.core.gate.streams import TitleRecord, select_fresh
from ringside.core.titles import CHALLENGING, FIRST_CHAMPION, Title
from ringside.settings import Settings

_log = logging.getLogger(__name__)


def write_policy_costs(settings: Settings, title: Title, record: TitleRecord) -> None:
    """Work out the costs of all policies on the record of a decision, and replace the table's.

    Raises:
        StoreUnavailableError: PostgreSQL did not answer.
    """
    store = TitleStore(make_engine(settings))
    reigns = store.read_reigns(title.symbol, title.horizon, as_of=record.as_of)
    held = [
        HeldSpan(to_datetime64(reign.held_from), reign.contestant, reign.model_version)
        for reign in reigns
    ]
    fresh = {name: select_fresh(found) for name, found in record.rows.items()}
    costs = []
    if CHALLENGING in fresh and FIRST_CHAMPION in fresh:
        followed = follow_title(record.rows, held)
        costs = compare_policies(fresh, followed, held, newest=CHALLENGING, first=FIRST_CHAMPION)
    store.write_policy_costs(title.symbol, title.horizon, costs, as_of=record.as_of)
    for cost in costs:
        _log.info(
            "policy=%s title=%s loss=%.5f swaps=%d hours=%d",
            cost.policy, title.model_name, cost.loss, cost.swaps, cost.hours,
        )  # fmt: skip
