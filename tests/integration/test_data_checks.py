import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from builders import START, make_candles
from ringside.adapters.audit_pages import write_audit
from ringside.adapters.audit_suites import CANDLE_CHECKS
from ringside.adapters.candle_store import RawBatch
from ringside.adapters.data_checks import audit_rows

pytestmark = pytest.mark.integration

ROWS = 60
AS_OF = START + timedelta(hours=ROWS)
OPEN_TIME = "2025-01-01T10:00:00+00:00"


def plant(**values):
    """Sound candles but for the values planted in row 10."""
    candles = make_candles(ROWS)
    for name, value in values.items():
        getattr(candles, name)[10] = value
    return candles


def shift_open_time(row, **shift):
    candles = make_candles(ROWS)
    candles.open_time[row] += np.timedelta64(timedelta(**shift))
    return candles


def repeat(row):
    return make_candles(ROWS - 1).take(np.insert(np.arange(ROWS - 1), row, row))


# What is planted in row 10 of a batch of its own, and all that must be said about that batch.
PLANTED = {
    "sound": (make_candles(ROWS), []),
    "high below low": (
        plant(open=100, high=99, low=100, close=99),
        [
            (10, "high 99 is below low 100"),
            (10, "high 99 is below open 100"),
            (10, "close 99 is below low 100"),
        ],
    ),
    "null close": (plant(close=np.nan), [(10, "close is missing")]),
    "null volume": (plant(volume=np.nan), [(10, "volume is missing")]),
    "zero low": (
        plant(low=0.0),
        [(10, "low 0 is no price: it must be above 0 and at most 1e+12")],
    ),
    "endless high": (
        plant(high=np.inf),
        [(10, "high inf is no price: it must be above 0 and at most 1e+12")],
    ),
    "negative volume": (
        plant(volume=-1.5),
        [(10, "volume -1.5 must be at least 0 and at most 1e+18")],
    ),
    "repeated hour": (
        repeat(10),
        [
            (
                row,
                "the open time 2025-01-01 10:00:00 UTC came more than once,"
                " and nothing tells which candle is right",
            )
            for row in (10, 11)
        ],
    ),
    "off the grid": (
        shift_open_time(10, seconds=-30),
        [(10, "it opens at 2025-01-01 09:59:30 UTC, which is not a full hour")],
    ),
    "forming": (
        shift_open_time(ROWS - 1, hours=1),
        [
            (
                ROWS - 1,
                "it closes at 2025-01-03 13:00:00 UTC, after 2025-01-03 12:00:00 UTC:"
                " it was still forming",
            )
        ],
    ),
}


@pytest.fixture(scope="module")
def audits():
    """All planted batches, audited in one call as those of a run are."""
    batches = [
        RawBatch(name, "test", replace(candles, symbol=f"{name}/USDT"))
        for name, (candles, _) in PLANTED.items()
    ]
    found = audit_rows(batches, as_of=AS_OF, newest={})
    return dict(zip(PLANTED, found, strict=True))


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_fault_is_told_in_its_own_words_and_nothing_else(audits, name):
    audit = audits[name]
    assert [(finding.row_number, finding.reason) for finding in audit.failures] == PLANTED[name][1]
    assert not audit.is_refused
    assert audit.refused_rows == len({row for row, _ in PLANTED[name][1]})


def test_a_finding_names_the_hour_of_its_row(audits):
    assert audits["null close"].failures[0].open_time == OPEN_TIME


def audit_one(candles, *, as_of=AS_OF, newest=None):
    batch = RawBatch("one", "test", candles)
    return audit_rows([batch], as_of=as_of, newest={candles.symbol: newest})[0]


@pytest.mark.parametrize(
    ("bad", "rows", "refused"), [(6, 60, 6), (7, 60, 60), (2, 4, 2), (3, 4, 4)]
)
def test_a_batch_is_refused_whole_when_over_a_tenth_and_three_rows_fail(bad, rows, refused):
    candles = make_candles(rows)
    candles.close[:bad] = np.nan
    audit = audit_one(candles)
    assert audit.refused_rows == refused
    assert audit.is_refused == (refused == rows)
    if audit.is_refused:
        assert "refused as a whole" in audit.failures[-1].reason


def test_unusual_but_possible_candles_are_warned_about_and_not_refused():
    candles = make_candles(ROWS).take(np.delete(np.arange(ROWS), [20, 21]))
    candles.volume[5] = 0
    candles.high[7] = 2 * candles.low[7]
    audit = audit_one(candles, as_of=AS_OF + timedelta(hours=2, minutes=30))
    assert audit.failures == ()
    assert [(w.row_number, w.expectation) for w in audit.warnings] == [
        (20, "no_hour_is_missing"),
        (7, "range_is_usual"),
        (5, "was_traded"),
        (ROWS - 3, "is_fresh"),
    ]
    assert audit.warnings[0].reason.startswith("it opens 3 hours after the candle before it")
    assert "closed 2.5 hours before 2025-01-03 14:30:00 UTC" in audit.warnings[-1].reason


def test_a_backfill_of_the_past_is_not_called_stale():
    later = AS_OF + timedelta(days=9)
    audit = audit_one(make_candles(ROWS), as_of=later, newest=later - timedelta(hours=1))
    assert audit.warnings == ()


def test_no_batches_need_no_audit():
    assert audit_rows([], as_of=AS_OF, newest={}) == []


def test_the_page_tells_what_was_refused_and_asks_for_nothing_outside(audits, tmp_path):
    audit = replace(audits["high below low"], symbol="<b>&BTC")
    page = write_audit(tmp_path, audit, as_of=AS_OF, checks=[check.name for check in CANDLE_CHECKS])
    text = page.read_text()
    assert "<h1>&lt;b&gt;&amp;BTC: 1 of 60 rows refused, the others published</h1>" in text
    assert "<td>high 99 is below low 100</td>" in text
    assert not any(mark in text for mark in ("http", "src=", "href=", "url(", "<script", "@import"))
    facts = json.loads(page.with_suffix(".json").read_text())
    assert facts["failures"][0] == {
        "row_number": 10,
        "open_time": OPEN_TIME,
        "expectation": "high_not_below_low",
        "reason": "high 99 is below low 100",
    }
    assert {path.suffix for path in tmp_path.iterdir()} == {".html", ".json"}
