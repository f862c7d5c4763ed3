"""Fixtures of the service's unit tests: a desk at which all is well, and a caller."""

from dataclasses import replace

import pytest

from builders import make_candles
from forecast_api import create_app
from forecast_api.champions import Champions, load_champions
from forecast_api.desk import Desk
from forecast_api.last_good import LastGood
from forecast_api.lineup import Candidate, Lineup
from ringside.core.features import LOOKBACK
from serving_builders import NOW, TITLES, make_copy, make_desk


@pytest.fixture(scope="session")
def _champions(tmp_path_factory) -> Champions:
    """Version 4 and on, one for each title; nobody changes them."""
    models = tmp_path_factory.mktemp("models")
    versions = dict(enumerate(TITLES, start=4))
    for version, title in versions.items():
        make_copy(models, title, version, "xgboost", seed=version)
    candidates = tuple(Candidate(title, version, "registry") for version, title in versions.items())
    return load_champions(Lineup(1, candidates, ()), LastGood(models), loaded_at=NOW)


@pytest.fixture
def desk(_champions, tmp_path) -> Desk:
    """A desk at which all is well."""
    return make_desk(make_candles(LOOKBACK + 5, seed=3), _champions, tmp_path)


@pytest.fixture
def ask(desk):
    """Ask the app one question; attributes of the desk can be replaced by keyword."""

    def get(path, *, method="GET", json=None, data=None, headers=None, **changes):
        app = create_app(lambda: replace(desk, **changes), ("BTC/USDT",))
        client = app.test_client()
        return client.open(path, method=method, json=json, data=data, headers=headers)

    return get
