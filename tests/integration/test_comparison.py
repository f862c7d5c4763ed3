"""Evidence from the ledger, verdicts on it, and their dockets: real PostgreSQL, real MLflow."""

import gzip
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from ledger_rows import START, Row, write_rows, write_streams
from sqlalchemy import text

from gate_builders import START as RECORD_START
from gate_builders import make_rows
from ringside.adapters.database import make_engine, transaction
from ringside.adapters.evidence_store import EvidenceStore
from ringside.adapters.registry import Registry
from ringside.adapters.title_store import TitleStore
from ringside.core.candles import to_datetime64
from ringside.core.titles import CHAMPION, PREVIOUS_CHAMPION, Title, find_alias
from ringside.core.verdicts import Intervention, Reign
from ringside.errors import LedgerError, TitleError
from ringside.jobs.comparison import decide_titles
from ringside.jobs.records import read_record
from ringside.jobs.replaying import replay_verdict
from serving_builders import fit_model

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
DAYS = 60
NOW = RECORD_START + timedelta(days=DAYS)
CONTESTANTS = ("persistence", "persistence_ewma", "xgboost")
TITLE = Title("BTC/USDT", 1)


def test_gate_reads_every_version_to_the_last_bit_and_nothing_late_or_later(settings):
    new, old = make_rows(3, version=4), make_rows(2, version=0, live=False, width=1.3)
    write_streams(make_engine(settings), {"xgboost": new}, symbol="BTC/USDT")
    write_streams(make_engine(settings), {"xgboost": old}, symbol="BTC/USDT")
    write_rows(
        make_engine(settings),
        [
            Row("xgboost", RECORD_START - HOUR, 0.1),  # before the start
            Row("xgboost", RECORD_START, 0.1, "late", 9),
            Row("xgboost", RECORD_START, None, "live", 8),
            Row("xgboost", RECORD_START, 0.1, "live", 7, symbol="ETH/USDT"),
            Row("xgboost", RECORD_START, 0.1, "live", 6, horizon=6),
        ],
    )
    as_of = RECORD_START + timedelta(days=2)
    found = EvidenceStore(make_engine(settings)).read_rows(
        "BTC/USDT", 1, start=RECORD_START, as_of=as_of
    )["xgboost"]
    for part, version in ((old, 0), (new, 4)):
        known = part.take(part.target_time <= to_datetime64(as_of))
        same = found.take(found.model_version == version)
        for name, column in vars(known).items():
            assert (getattr(same, name) == column).all(), name
    assert set(found.model_version.tolist()) == {0, 4}


def test_record_follows_the_champions_recipe_through_its_versions(settings):
    store = TitleStore(make_engine(settings))
    reigns = [("xgboost", 2), ("persistence", 1), ("xgboost", 3), ("xgboost", 5)]
    for number, (contestant, version) in enumerate(reigns):
        held_from = START + number * HOUR
        store.append_reign(Reign("BTC/USDT", 1, contestant, version, held_from, START, "t", "t"))

    def read_at(hours):
        record = read_record(settings, TITLE, as_of=START + hours * HOUR, entrants={})
        assert record.crowned_at == START
        terms = [(term.held_from - START, term.model_version) for term in record.terms]
        return record.champion, record.champion_version, terms

    assert read_at(4) == ("xgboost", 5, [(2 * HOUR, 3), (3 * HOUR, 5)])
    assert read_at(2.5) == ("xgboost", 3, [(2 * HOUR, 3)])
    assert read_at(1) == ("persistence", 1, [(HOUR, 1)])


@pytest.fixture
def ring(full_settings):
    """One title with persistence as its champion and three contestants in the ring."""
    settings = full_settings.model_copy(update={"horizons": (1,)})
    title = Title(settings.series[0], 1)
    with Registry(settings.mlflow_url) as registry:
        for contestant in CONTESTANTS:
            manifest, files = fit_model(title, contestant)
            made = registry.register(manifest, files, metrics={})
            registry.set_alias(title.model_name, find_alias(contestant), made.version)
        registry.set_alias(title.model_name, CHAMPION, 1)
    TitleStore(make_engine(settings)).append_reign(
        Reign(title.symbol, 1, "persistence", 1, NOW - HOUR, datetime.now(UTC), "test", "first")
    )
    return settings


def write_record(settings, **widths: float) -> None:
    """Write the replayed weeks before the first hour; a width of 1 is the true band."""
    named = {"persistence": 1.6, "persistence_ewma": 1.6, "xgboost": 1.6} | widths
    streams = {
        name: make_rows(DAYS, width=width, version=0, live=False, noise=0.05, seed=number)
        for number, (name, width) in enumerate(named.items())
    }
    write_streams(make_engine(settings), streams, symbol=settings.series[0])


def test_a_planted_gain_is_decided_told_and_stored_once(ring, caplog):
    write_record(ring, xgboost=1.0)
    with caplog.at_level(logging.INFO, "ringside"):
        (verdict,) = decide_titles(ring, as_of=NOW)
    assert (verdict.outcome, verdict.champion_version) == ("promote_challenger", 1)
    assert (verdict.challenger, verdict.challenger_version) == ("xgboost", 3)
    assert "all replayed in as-of order" in verdict.text_en
    assert verdict.text_en in caplog.messages
    assert verdict.text_ko in caplog.messages
    assert f"docket={verdict.docket} verdict={verdict.verdict_id}" in caplog.messages
    stored = TitleStore(make_engine(ring)).read_verdict(verdict.verdict_id)
    assert stored.facts["findings"][0]["rival"] == "xgboost"
    assert stored.facts["rule"]["alpha"] == ring.alpha

    # What arrives afterwards speaks against the challenger; the verdict of that instant stands.
    late_news = make_rows(DAYS, width=4.0, version=9)
    write_streams(make_engine(ring), {"xgboost": late_news}, symbol=ring.series[0])
    assert decide_titles(ring, as_of=NOW) == [verdict]


def test_a_verdict_sees_only_what_was_known(ring):
    """After three days too little is known, whatever the ledger holds by now."""
    store = TitleStore(make_engine(ring))
    early = RECORD_START + timedelta(days=3)
    store.append_reign(
        Reign(ring.series[0], 1, "persistence", 1, RECORD_START, NOW, "test", "earlier")
    )
    write_record(ring, xgboost=1.0)
    (verdict,) = decide_titles(ring, as_of=early)
    assert verdict.outcome == "keep_champion"
    assert "72 shared hours" in verdict.text_en or "71 shared hours" in verdict.text_en


def test_equal_contestants_keep_the_champion(ring):
    write_record(ring)
    (verdict,) = decide_titles(ring, as_of=NOW)
    assert verdict.outcome == "keep_champion"


def test_a_contestant_that_never_entered_cannot_win(ring):
    with Registry(ring.mlflow_url) as registry:
        registry.delete_alias(Title(ring.series[0], 1).model_name, "xgboost")
    write_record(ring, xgboost=1.0)
    (verdict,) = decide_titles(ring, as_of=NOW)
    assert (verdict.outcome, verdict.challenger_version) == ("keep_champion", None)
    assert "G1" in verdict.text_en


def test_a_promotion_cut_short_is_taken_back_before_the_next_verdict(ring):
    name = Title(ring.series[0], 1).model_name
    write_record(ring)
    with Registry(ring.mlflow_url) as registry:
        registry.set_alias(name, PREVIOUS_CHAMPION, 1)
        registry.set_alias(name, CHAMPION, 3)
        decide_titles(ring, as_of=NOW)
        aliases = registry.find_aliases(name)
    assert aliases[CHAMPION] == 1
    assert PREVIOUS_CHAMPION not in aliases


def test_a_title_that_nobody_holds_says_what_to_do(full_settings):
    with pytest.raises(TitleError, match=r"nobody holds .* run the DAG train_chall"):
        decide_titles(full_settings, as_of=NOW)


def ask(action: str, **more) -> Intervention:
    return Intervention(action, "a drill", "ada", **more)


def test_hold_keeps_the_champion_and_tells_what_the_gate_found(ring):
    write_record(ring, xgboost=1.0)
    (held,) = decide_titles(ring, as_of=NOW, asked=ask("hold"))
    assert (held.outcome, held.origin) == ("keep_champion", "hold")
    assert held.text_en.startswith("ada holds the title where it is in this run: a drill. The")
    assert "the title changes hands" in held.text_en
    stored = TitleStore(make_engine(ring)).read_verdict(held.verdict_id)
    assert (stored.asked_by, stored.asked_reason) == ("ada", "a drill")
    assert replay_verdict(ring, held.verdict_id).is_same_code
    (decided,) = decide_titles(ring, as_of=NOW)  # the same instant, nobody asks
    assert (decided.outcome, decided.origin) == ("promote_challenger", "gate")


def test_freeze_lasts_until_unfreeze_and_says_who_and_why(ring):
    write_record(ring, xgboost=1.0)
    instants = [NOW + timedelta(minutes=minutes) for minutes in range(4)]
    decide_titles(ring, as_of=instants[0], asked=ask("freeze"))
    (frozen,) = decide_titles(ring, as_of=instants[1])
    assert frozen.outcome == "keep_champion"
    assert "frozen since 2026-03-06 00:00 UTC by ada: a drill." in frozen.text_en
    decide_titles(ring, as_of=instants[2], asked=ask("unfreeze"))
    (free,) = decide_titles(ring, as_of=instants[3])
    assert free.outcome == "promote_challenger"


def test_force_gives_the_title_to_whom_was_asked_for(ring):
    write_record(ring)
    asked = ask("force", contestant="persistence_ewma", series=(ring.series[0],))
    (forced,) = decide_titles(ring, as_of=NOW, asked=asked)
    assert (forced.outcome, forced.challenger_version) == ("fall_back_to_baseline", 2)
    assert "ada gives the title to persistence_ewma (version 2)" in forced.text_en
    assert "persistence keeps the title" in forced.text_en.replace(" (version 1)", "")
    (elsewhere,) = decide_titles(ring, as_of=NOW, asked=ask("force", series=("ETH/USDT",)))
    assert elsewhere.origin == "gate"


@pytest.mark.parametrize(
    ("contestant", "message"),
    [
        ("nobody", "nobody cannot be given .* persistence, persistence_ewma, xgboost"),
        ("persistence", "holds .* already"),
    ],
)
def test_force_on_an_impossible_contestant_is_refused(ring, contestant, message):
    write_record(ring)
    with pytest.raises(TitleError, match=message):
        decide_titles(ring, as_of=NOW, asked=ask("force", contestant=contestant))


def test_verdict_is_derived_again_from_the_ledger(ring):
    write_record(ring, xgboost=1.0)
    (verdict,) = decide_titles(ring, as_of=NOW)
    facts = replay_verdict(ring, verdict.verdict_id)
    assert (facts.is_same_code, facts.rows) == (True, 3 * (DAYS * 24))
    # rows that come later, and the next reign, change nothing
    write_streams(
        make_engine(ring),
        {"xgboost": make_rows(5, version=9, start=NOW)},
        symbol=ring.series[0],
    )
    assert replay_verdict(ring, verdict.verdict_id) == facts


def tamper(settings, table: str, statement: str) -> None:
    """Do what the ledger's own trigger forbids, as a database owner might."""
    with transaction(make_engine(settings)) as connection:
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        connection.execute(text(statement))


def test_changed_ledger_rows_are_named(ring):
    write_record(ring, xgboost=1.0)
    (verdict,) = decide_titles(ring, as_of=NOW)
    tamper(
        ring,
        "forecasts",
        "UPDATE forecasts SET q50 = q50 + 1e-12"
        " WHERE contestant = 'xgboost' AND as_of = '2026-01-20T05:00Z'",
    )
    with pytest.raises(
        LedgerError, match="1 ledger rows were changed: xgboost/0/2026-01-20T05:00:00"
    ):
        replay_verdict(ring, verdict.verdict_id)
    tamper(
        ring,
        "scores",
        "UPDATE scores SET realised_return = 0 WHERE forecast_id = (SELECT id FROM forecasts"
        " WHERE contestant = 'persistence' AND as_of = '2026-01-20T06:00Z')",
    )
    with pytest.raises(LedgerError, match=r"2 .* changed: persistence/0/2026-01-20T06:00:00, xgb"):
        replay_verdict(ring, verdict.verdict_id)


def test_rows_put_in_or_taken_away_are_named(ring):
    write_record(ring, xgboost=1.0)
    (verdict,) = decide_titles(ring, as_of=NOW)
    forged = make_rows(0.05, version=8, start=RECORD_START + timedelta(days=3))
    write_streams(make_engine(ring), {"xgboost": forged}, symbol=ring.series[0])
    with pytest.raises(LedgerError, match="1 ledger rows were put in: xgboost/8/2026-01-08T00:00"):
        replay_verdict(ring, verdict.verdict_id)
    tamper(
        ring,
        "scores",
        "DELETE FROM scores WHERE forecast_id = (SELECT id FROM forecasts"
        " WHERE contestant = 'xgboost' AND as_of = '2026-01-20T07:00Z')",
    )
    with pytest.raises(LedgerError, match="1 ledger rows were missing: xgboost/0/2026-01-20T07:00"):
        replay_verdict(ring, verdict.verdict_id)


def test_altered_or_lost_docket_is_told(ring):
    write_record(ring)
    (verdict,) = decide_titles(ring, as_of=NOW)
    path = ring.dockets_dir / verdict.docket
    bundle = json.loads(gzip.decompress(path.read_bytes()))
    path.chmod(0o644)
    path.write_bytes(gzip.compress(json.dumps(bundle | {"code_id": "forged"}).encode()))
    with pytest.raises(LedgerError, match="is not what was written"):
        replay_verdict(ring, verdict.verdict_id)
    path.unlink()
    with pytest.raises(LedgerError, match="cannot be read"):
        replay_verdict(ring, verdict.verdict_id)


def test_costs_of_policies_are_kept_and_rebuilt(ring):
    write_record(ring, xgboost=1.0)
    store = TitleStore(make_engine(ring))
    decide_titles(ring, as_of=NOW - timedelta(minutes=30))
    decide_titles(ring, as_of=NOW)
    costs = {cost.policy: cost for cost in store.read_policy_costs(ring.series[0], 1)}
    assert costs.keys() == {"always_newest", "last_week_lower", "never_change", "gate"}
    assert costs["gate"].loss == costs["never_change"].loss  # nobody was promoted yet
    assert costs["always_newest"].loss < costs["last_week_lower"].loss < costs["gate"].loss
    assert (costs["last_week_lower"].swaps, costs["gate"].swaps) == (1, 0)
