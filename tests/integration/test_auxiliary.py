"""Auxiliary series from files to PostgreSQL, and joined by when they were known."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import text

from ringside.adapters.database import make_engine, transaction
from ringside.errors import AuditFailedError, SettingsError
from ringside.jobs.auxiliary import ingest_auxiliary, read_joined, require_clean_values

pytestmark = pytest.mark.integration

FIRST = datetime(2025, 1, 6, tzinfo=UTC)
DAYS = 80
AS_OF = datetime(2025, 3, 10, 20, 10, tzinfo=UTC)  # NASDAQ has closed in summer time, VIX has not


def write_daily(folder, name, values=None):
    days = pd.bdate_range(FIRST, periods=DAYS, tz="UTC")
    numbers = 15.0 + np.sin(np.arange(DAYS)) if values is None else values
    pd.DataFrame({"open_time": days, "close": numbers}).to_parquet(folder / f"{name}_1d.parquet")
    return days


@pytest.fixture
def market(settings, tmp_path):
    for name in ("vix", "ndx"):
        write_daily(tmp_path, name)
    hours = pd.date_range(FIRST, periods=DAYS * 24, freq="h", tz="UTC")
    values = 2_000.0 + np.arange(DAYS * 24)
    pd.DataFrame({"open_time": hours, "close": values}).to_parquet(tmp_path / "gold_gc_1h.parquet")
    return settings.model_copy(update={"source": "file", "source_path": tmp_path})


def read_table(settings, query):
    with transaction(make_engine(settings)) as connection:
        return connection.execute(text(query)).all()


def test_only_what_was_known_is_published_with_its_instant(market):
    for name in ("vix", "ndx", "gold"):
        require_clean_values(ingest_auxiliary(market, name, as_of=AS_OF))
    newest = read_table(
        market, "SELECT series, max(time), max(known_at) FROM observations GROUP BY 1 ORDER BY 1"
    )
    assert newest == [
        ("gold", AS_OF.replace(hour=19, minute=0), AS_OF.replace(minute=0)),
        ("ndx", datetime(2025, 3, 10, tzinfo=UTC), AS_OF.replace(minute=0)),
        ("vix", datetime(2025, 3, 7, tzinfo=UTC), datetime(2025, 3, 7, 21, 15, tzinfo=UTC)),
    ]


def test_a_second_time_changes_nothing_and_a_correction_does(market, tmp_path):
    ingest_auxiliary(market, "ndx", as_of=AS_OF)
    before = read_table(market, "SELECT * FROM observations ORDER BY time")
    assert ingest_auxiliary(market, "ndx", as_of=AS_OF).changed == 0
    assert read_table(market, "SELECT * FROM observations ORDER BY time") == before
    values = 15.0 + np.sin(np.arange(DAYS))
    values[44] += 0.5
    write_daily(tmp_path, "ndx", values)
    assert ingest_auxiliary(market, "ndx", as_of=AS_OF).changed == 1


def test_a_bad_value_waits_in_quarantine_and_the_run_fails_loudly(market, tmp_path):
    values = 15.0 + np.sin(np.arange(DAYS))
    values[[10, 20]] = [np.nan, -3.0]
    write_daily(tmp_path, "vix", values)
    facts = ingest_auxiliary(market, "vix", as_of=AS_OF)
    reasons = read_table(
        market,
        "SELECT row_number, reasons->0->>'reason' FROM quarantined_observations ORDER BY 1",
    )
    assert reasons == [(10, "no value"), (20, "value -3 must be above 0")]
    with pytest.raises(AuditFailedError, match="refused 2 of 45 values of vix"):
        require_clean_values(facts)


def test_candles_see_the_newest_value_that_was_known_until_it_is_too_old(market):
    ingest_auxiliary(market, "ndx", as_of=AS_OF)
    stamps = ["2025-03-07T20:00", "2025-03-07T21:00", "2025-03-10T19:00", "2025-03-10T20:00"]
    at = np.array(stamps, dtype="datetime64[s]")
    joined = read_joined(market, "ndx", at, as_of=AS_OF)
    daily = 15.0 + np.sin(np.arange(DAYS))
    assert joined.value.tolist() == [daily[43], daily[44], daily[44], daily[45]]
    assert joined.age_hours.tolist() == [23.0, 0.0, 70.0, 0.0]
    later = np.array(["2025-03-15T10:00", "2025-03-15T11:00"], dtype="datetime64[s]")
    late = read_joined(market, "ndx", later, as_of=AS_OF + timedelta(days=5))
    assert np.isnan(late.value).tolist() == [False, True]


def test_a_simulated_market_has_nothing_beside_it(settings):
    with pytest.raises(SettingsError, match="RINGSIDE_AUXILIARY"):
        ingest_auxiliary(settings, "vix", as_of=AS_OF)
