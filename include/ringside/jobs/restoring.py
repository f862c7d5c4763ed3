"""Brings aliases and workers back to who `title_history` says holds the titles.

The history is what counts: a change of title is made when its row is written, and whatever a killed
run has moved before that is taken back here.
"""

import logging
from collections.abc import Sequence

from ringside.adapters.database import make_engine
from ringside.adapters.registry import Registry
from ringside.adapters.serving import Served, ask_replicas, make_reloader
from ringside.adapters.title_store import TitleStore
from ringside.core.titles import CHAMPION, PREVIOUS_CHAMPION, Title
from ringside.core.verdicts import Reign
from ringside.errors import ServingUnavailableError, TitleError
from ringside.jobs.proving import find_doubt, prove
from ringside.settings import Settings

_log = logging.getLogger(__name__)


def settle_titles(settings: Settings, titles: Sequence[Title]) -> None:
    """Finish what a killed change of title has left: aliases and every worker follow the history.

    Titles that nobody holds are left out. A service that does not answer is only logged: it loads
    what the aliases name when it starts.

    Raises:
        RegistryUnavailableError: MLflow did not answer; running again finishes the work.
    """
    store = TitleStore(make_engine(settings))
    reigns = {title: store.read_reigns(title.symbol, title.horizon) for title in titles}
    held = {title: found[-1] for title, found in reigns.items() if found}
    with Registry(settings.mlflow_url) as registry:
        strayed = [
            title
            for title, reign in held.items()
            if registry.find_aliases(title.model_name).get(CHAMPION) != reign.model_version
        ]
        expected = {title: find_served(registry, title, reign) for title, reign in held.items()}
    if strayed or _is_served_otherwise(settings, expected):
        restore_titles(settings, sorted(held))


def restore_titles(settings: Settings, titles: Sequence[Title]) -> None:
    """Point the aliases at who `title_history` says holds the titles, and prove it in serving.

    A service that cannot be told, or still serves another, is only logged: `settle_titles` tries
    again before the next decision.

    Raises:
        TitleError: nobody has ever held one of the titles.
        RegistryUnavailableError: MLflow did not answer; running again finishes the work.
    """
    store = TitleStore(make_engine(settings))
    expected = {}
    with Registry(settings.mlflow_url) as registry:
        for title in titles:
            reigns = store.read_reigns(title.symbol, title.horizon)
            if not reigns:
                raise TitleError(f"nobody has ever held {title.symbol} h{title.horizon}")
            _point_aliases(registry, title, reigns)
            expected[title] = find_served(registry, title, reigns[-1])
    try:
        make_reloader(settings).reload()
        prove(settings, expected)
    except ServingUnavailableError as error:
        _log.warning("serving was not seen to serve the restored champions: %s", error)


def undo_promotions(settings: Settings, verdict_ids: Sequence[int]) -> None:
    """Give the titles of these verdicts back to who `title_history` says holds them.

    Raises:
        RegistryUnavailableError: MLflow did not answer; running again finishes the work.
    """
    store = TitleStore(make_engine(settings))
    verdicts = [store.read_verdict(verdict_id) for verdict_id in verdict_ids]
    restore_titles(settings, [Title(verdict.symbol, verdict.horizon) for verdict in verdicts])


def find_served(registry: Registry, title: Title, reign: Reign) -> Served:
    """Say how every worker has to answer while this reign lasts."""
    digest = registry.hash_manifest(title.model_name, reign.model_version)
    return Served(reign.contestant, reign.model_version, digest)


def _point_aliases(registry: Registry, title: Title, reigns: Sequence[Reign]) -> None:
    champion = reigns[-1].model_version
    former = [reign.model_version for reign in reigns if reign.model_version != champion]
    if former:
        registry.set_alias(title.model_name, PREVIOUS_CHAMPION, former[-1])
    else:
        registry.delete_alias(title.model_name, PREVIOUS_CHAMPION)
    registry.set_alias(title.model_name, CHAMPION, champion)
    _log.warning("restored title=%s champion_version=%d", title.model_name, champion)


def _is_served_otherwise(settings: Settings, expected: dict[Title, Served]) -> bool:
    try:
        doubt = find_doubt(ask_replicas(settings), expected, ())
    except ServingUnavailableError as error:
        _log.info("serving does not answer; it loads the champions when it starts: %s", error)
        return False
    if doubt:
        _log.warning("serving does not serve the champions: %s", doubt)
    return bool(doubt)
