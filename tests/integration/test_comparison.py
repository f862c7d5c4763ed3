"""Evidence from the ledger and verdicts on it: real PostgreSQL, real MLflow."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ledger_rows import START, Row, make_duel, of_series, write_rows

from ringside.adapters.database import make_engine
from ringside.adapters.evidence_store import EvidenceStore
from ringside.adapters.registry import Registry
from ringside.adapters.title_store import TitleStore
from ringside.core.candles import to_datetime
from ringside.core.titles import CHALLENGER, CHAMPION, PREVIOUS_CHAMPION, Title
from ringside.core.verdicts import Reign
from ringside.errors import TitleError
from ringside.jobs.comparison import decide_titles
from serving_builders import fit_model

pytestmark = pytest.mark.integration

AS_OF = START + timedelta(hours=801)
HOUR = timedelta(hours=1)
CHAMPION_3 = Reign("BTC/USDT", 1, "xgboost", 3, START, START, "test", "test")


def read(settings, reign=CHAMPION_3, as_of=AS_OF):
    found = EvidenceStore(make_engine(settings)).read_scored_hours(reign, as_of=as_of)
    return {
        name: [
            (to_datetime(hour), float(loss), bool(live))
            for hour, loss, live in zip(hours.as_of, hours.loss, hours.is_live, strict=True)
        ]
        for name, hours in found.items()
    }


def test_each_hour_counts_once_the_champions_own_version_first(settings):
    """Versions 0 (replayed), 2, 3 (the champion's) and 5 forecast; one hour each is preferred."""
    hours = [START + i * HOUR for i in range(4)]
    write_rows(
        make_engine(settings),
        [
            Row("xgboost", hours[0], 0.1),
            Row("xgboost", hours[1], 0.1),
            Row("xgboost", hours[1], 0.2, "live", 2),
            Row("xgboost", hours[1], 0.5, "live", 5),
            Row("xgboost", hours[2], 0.2, "live", 2),
            Row("xgboost", hours[2], 0.3, "live", 3),
            Row("xgboost", hours[2], 0.5, "live", 5),
            Row("persistence", hours[2], 0.9, "live", 1),
        ],
    )
    assert read(settings) == {
        "xgboost": [(hours[0], 0.1, False), (hours[1], 0.5, True), (hours[2], 0.3, True)],
        "persistence": [(hours[2], 0.9, True)],
    }


def test_late_and_unscored_rows_other_titles_and_the_future_are_no_evidence(settings):
    known = Row("xgboost", START, 0.1, horizon=6)
    write_rows(
        make_engine(settings),
        [
            known,
            replace(known, as_of=START + HOUR, kind="late"),
            replace(known, as_of=START + 2 * HOUR, loss=None),
            replace(known, as_of=START + 3 * HOUR, horizon=1),
            replace(known, as_of=START + 4 * HOUR, symbol="ETH/USDT"),
            replace(known, as_of=START + 5 * HOUR),
            replace(known, as_of=START + 6 * HOUR, loss=float("nan")),
        ],
    )
    reign = replace(CHAMPION_3, horizon=6)
    assert read(settings, reign, START + 10 * HOUR) == {"xgboost": [(START, 0.1, False)]}
    assert len(read(settings, reign, START + 11 * HOUR)["xgboost"]) == 2
    assert len(read(settings, reign, START + 12 * HOUR)["xgboost"]) == 2


@pytest.fixture
def ring(full_settings):
    """One title with persistence as its champion and three contestants in the registry."""
    settings = full_settings.model_copy(update={"horizons": (1,)})
    title = Title(settings.series[0], 1)
    aliases = {"persistence": "persistence", "persistence_ewma": "persistence-ewma"}
    with Registry(settings.mlflow_url) as registry:
        for contestant, alias in {**aliases, "xgboost": CHALLENGER}.items():
            manifest, files = fit_model(title, contestant)
            made = registry.register(manifest, files, metrics={})
            registry.set_alias(title.model_name, alias, made.version)
        registry.set_alias(title.model_name, CHAMPION, 1)
    TitleStore(make_engine(settings)).append_reign(
        Reign(title.symbol, 1, "persistence", 1, START, datetime.now(UTC), "test", "first")
    )
    return settings


def test_a_planted_gain_is_decided_told_and_stored_once(ring, caplog):
    write_rows(make_engine(ring), of_series(make_duel(0.05), ring.series[0]))
    with caplog.at_level(logging.INFO, "ringside"):
        (verdict,) = decide_titles(ring, as_of=AS_OF)
    assert (verdict.outcome, verdict.champion_version) == ("promote_challenger", 1)
    assert (verdict.challenger, verdict.challenger_version) == ("xgboost", 3)
    assert "5.0% lower" in verdict.text_en
    assert verdict.text_en in caplog.messages
    assert verdict.text_ko in caplog.messages
    stored = TitleStore(make_engine(ring)).read_verdict(verdict.verdict_id)
    assert stored.facts["findings"][0]["gain_frac"] == pytest.approx(0.05)
    assert stored.facts["rule"]["max_p_value"] == ring.max_p_value

    # What arrives afterwards speaks against the challenger; the verdict of that instant stands.
    late_news = [replace(row, kind="live", model_version=9) for row in make_duel(-0.9)]
    write_rows(make_engine(ring), of_series(late_news, ring.series[0]))
    assert decide_titles(ring, as_of=AS_OF) == [verdict]


def test_a_verdict_sees_only_what_was_known(ring):
    """At hour 400 too little is known, whatever the ledger holds by now."""
    write_rows(make_engine(ring), of_series(make_duel(0.05), ring.series[0]))
    (verdict,) = decide_titles(ring, as_of=START + timedelta(hours=400))
    assert verdict.outcome == "keep_champion"
    assert "400 hours" in verdict.text_en


def test_equal_contestants_keep_the_champion(ring):
    write_rows(make_engine(ring), of_series(make_duel(0.0), ring.series[0]))
    (verdict,) = decide_titles(ring, as_of=AS_OF)
    assert verdict.outcome == "keep_champion"


def test_a_contestant_without_a_registered_version_cannot_win(ring):
    rows = [
        replace(row, contestant="newcomer") if row.contestant == "xgboost" else row
        for row in make_duel(0.2)
    ]
    write_rows(make_engine(ring), of_series(rows, ring.series[0]))
    (verdict,) = decide_titles(ring, as_of=AS_OF)
    assert (verdict.outcome, verdict.challenger) == ("keep_champion", None)


def test_a_promotion_cut_short_is_taken_back_before_the_next_verdict(ring):
    name = Title(ring.series[0], 1).model_name
    with Registry(ring.mlflow_url) as registry:
        registry.set_alias(name, PREVIOUS_CHAMPION, 1)
        registry.set_alias(name, CHAMPION, 3)
        decide_titles(ring, as_of=AS_OF)
        aliases = registry.find_aliases(name)
    assert aliases[CHAMPION] == 1
    assert PREVIOUS_CHAMPION not in aliases


def test_a_title_that_nobody_holds_says_what_to_do(settings):
    with pytest.raises(TitleError, match=r"nobody holds BTC/USDT h1 .* run the DAG train_chall"):
        decide_titles(settings, as_of=AS_OF)
