"""What the trigger form refuses before anything runs, by the parameters' own schemas."""

import pytest

INSTANT = "2025-03-01T07:00:00+00:00"
REFUSED = [
    ("ingest_candles", "start", "2025-03-01T07:00:00"),  # naive: which hour is meant?
    ("ingest_candles", "end", "yesterday"),
    ("ingest_candles", "as_of", "2025-03-01"),
    ("ingest_auxiliary", "as_of", "2025-03-01T07:00:00"),
    ("backfill_candles", "start", "2025-03-01T07:00:00"),
    ("backfill_candles", "start", ""),
    ("backfill_candles", "symbol", "btc usdt"),
    ("backfill_candles", "symbol", ""),
    ("release_quarantine", "batch_id", ""),
    ("release_quarantine", "reason", ""),
    ("release_quarantine", "rows", ["one"]),
    ("prune_audits", "as_of", "soon"),
]
ACCEPTED = [
    ("ingest_candles", "start", INSTANT),
    ("ingest_candles", "end", None),
    ("backfill_candles", "start", "2025-03-01T07:00Z"),
    ("backfill_candles", "symbol", "BTC/USDT"),
    ("release_quarantine", "rows", [3, 4]),
]


@pytest.mark.parametrize(("dag_id", "name", "value"), REFUSED)
def test_the_form_refuses_what_cannot_be_meant(dag_bag, dag_id, name, value):
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dag_bag.dags[dag_id].params.get_param(name).resolve(value)


@pytest.mark.parametrize(("dag_id", "name", "value"), ACCEPTED)
def test_the_form_takes_what_is_meant(dag_bag, dag_id, name, value):
    assert dag_bag.dags[dag_id].params.get_param(name).resolve(value) == value
