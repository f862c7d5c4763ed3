"""Model folders: whole, verified, and refused when anything about them is wrong."""

import json
import pickle
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from builders import make_candles
from model_builders import AS_OF, make_fitted, make_forecast
from ringside.adapters.model_files import load_contestant, place_files, write_model
from ringside.core.forecasts import FIRST_HASH, chain_forecasts, find_kind, hash_forecast
from ringside.core.known_values import KnownValues
from ringside.core.manifest import hash_inputs, read_manifest, require_fit_before
from ringside.core.titles import Title, find_alias
from ringside.errors import ModelRefusedError


@pytest.fixture(params=["persistence", "xgboost"])
def folder(request, tmp_path):
    return write_model(tmp_path / "model" / "1", *make_fitted(request.param))


def test_written_model_loads(folder):
    loaded = load_contestant(folder)
    manifest, files = make_fitted(loaded.manifest.contestant)
    assert loaded.manifest == manifest
    assert loaded.contestant.save() == files


def break_missing(folder):
    (folder / "band.json").unlink()


def break_changed(folder):
    (folder / "band.json").write_bytes((folder / "band.json").read_bytes() + b" ")


def break_extra(folder):
    (folder / "model.pkl").write_bytes(pickle.dumps({}))


def break_link(folder):
    content = (folder / "band.json").read_bytes()
    (folder.parent / "elsewhere").write_bytes(content)
    (folder / "band.json").unlink()
    (folder / "band.json").symlink_to(folder.parent / "elsewhere")


def break_manifest_missing(folder):
    (folder / "manifest.json").unlink()


def break_manifest_text(folder):
    (folder / "manifest.json").write_text("{]")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (break_missing, r"missing or not in the manifest: band\.json"),
        (break_changed, r"checksum differs .* band\.json"),
        (break_extra, r"not in the manifest: model\.pkl"),
        (break_link, r"not a plain file .* band\.json"),
        (break_manifest_missing, r"no manifest\.json"),
        (break_manifest_text, "manifest is not valid"),
    ],
)
def test_damaged_folder_is_refused(folder, damage, reason):
    damage(folder)
    with pytest.raises(ModelRefusedError, match=reason):
        load_contestant(folder)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("contestant", "oracle", "no contestant is called 'oracle'"),
        ("feature_names", ["tomorrow"], "other features"),
        ("levels", [0.1, 0.5, 0.9], "other features"),
        ("format", 3, "not valid"),
        ("pickle", "yes", "not valid"),
        ("as_of", "2025-01-01T00:00:00", "not valid"),
    ],
)
def test_manifest_of_another_make_is_refused(folder, field, value, reason):
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | {field: value}
    path.write_text(json.dumps(content))
    with pytest.raises(ModelRefusedError, match=reason):
        load_contestant(folder)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(ModelRefusedError, match="no model folder"):
        load_contestant(tmp_path / "nowhere")


def test_files_that_are_not_the_manifests_are_not_written(tmp_path):
    manifest, files = make_fitted()
    with pytest.raises(ModelRefusedError):
        write_model(tmp_path / "model", manifest, {**files, "band.json": b"other"})
    assert list(tmp_path.iterdir()) == []


def test_placed_folder_replaces_the_old_one_whole(tmp_path):
    place_files(tmp_path / "model", {"a": b"1", "b": b"2"})
    folder = place_files(tmp_path / "model", {"c": b"3"})
    assert [path.name for path in folder.iterdir()] == ["c"]
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["model"]
    assert list(tmp_path.glob(".partial-*")) == []


def test_folder_that_cannot_be_placed_leaves_nothing_behind(tmp_path):
    (tmp_path / "model").write_text("a file is in the way")
    with pytest.raises(NotADirectoryError):
        place_files(tmp_path / "model", {"a": b"1"})
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["model"]
    assert list(tmp_path.glob(".partial-*")) == []


def test_manifest_survives_its_json():
    manifest, _ = make_fitted()
    assert read_manifest(manifest.to_bytes()) == manifest


def test_fit_is_named_by_who_when_and_seed():
    manifest, _ = make_fitted()
    assert str(manifest.fit) == "persistence 2025-06-01T12:00:00+00:00 seed 1"


def test_data_hash_changes_with_any_number():
    candles = make_candles(50)
    hashes = {hash_inputs(candles, {}), hash_inputs(replace(candles, symbol="ETH/USDT"), {})}
    for name in ("open", "high", "low", "close", "volume"):
        column = getattr(candles, name).copy()
        column[20] = np.nextafter(column[20], np.inf)
        hashes.add(hash_inputs(replace(candles, **{name: column}), {}))
    assert len(hashes) == 7
    assert hash_inputs(candles, {}) == hash_inputs(make_candles(50), {})


def test_model_from_the_future_is_refused():
    manifest, _ = make_fitted(as_of=AS_OF)
    require_fit_before(manifest, AS_OF)
    with pytest.raises(ModelRefusedError, match="fitted as of"):
        require_fit_before(manifest, AS_OF - timedelta(hours=2))


def test_title_names_its_model():
    assert Title("BTC/USDT", 24).model_name == "ringside.BTCUSDT.h24"


def test_every_contestant_has_an_alias_of_its_own():
    assert [find_alias(name) for name in ("persistence_ewma", "linear", "xgboost")] == [
        "persistence-ewma",
        "linear",
        "xgboost",
    ]


def test_manifest_written_before_params_were_known_still_reads():
    manifest, _ = make_fitted()
    content = json.loads(manifest.to_bytes()) | {"format": 1}
    for name in ("params", "code_hash", "image_id"):
        del content[name]
    old = read_manifest(json.dumps(content).encode())
    assert (old.params, old.code_hash, old.image_id) == ({}, "", "")


def test_data_hash_changes_with_any_auxiliary_number():
    candles = make_candles(50)
    at = candles.close_time[:3]
    known = {"vix": KnownValues(at, np.array([1.0, 2.0, 3.0]))}
    later = {"vix": KnownValues(at + np.timedelta64(1, "s"), np.array([1.0, 2.0, 3.0]))}
    other = {"vix": KnownValues(at, np.array([1.0, 2.0, np.nextafter(3.0, 4)]))}
    renamed = {"ndx": known["vix"]}
    hashes = {hash_inputs(candles, one) for one in ({}, known, later, other, renamed)}
    assert len(hashes) == 5


def test_hash_of_a_forecast_changes_with_every_field():
    original = make_forecast()
    changes = [
        {"symbol": "ETH/USDT"},
        {"horizon": 2},
        {"contestant": "xgboost"},
        {"model_version": 2},
        {"as_of": AS_OF + timedelta(hours=1)},
        {"issued_at": AS_OF + timedelta(microseconds=1)},
        {"kind": "late"},
        {"anchor_close": np.nextafter(original.anchor_close, 0)},
        {"sigma": np.nextafter(original.sigma, 1)},
        *(
            {"quantiles": (*original.quantiles[:i], 0.5, *original.quantiles[i + 1 :])}
            for i in range(5)
        ),
        *({"shifts": tuple(0.1 * (i == place) for i in range(5))} for place in range(5)),
        {"input_ages": {"candles": 1.0}},
        {"input_ages": {"candles": None}},
        {"input_ages": {"vix": 1.0}},
        {"hash_form": 1},
    ]
    hashes = {hash_forecast(replace(original, **change), FIRST_HASH) for change in changes}
    hashes |= {hash_forecast(original, FIRST_HASH), hash_forecast(original, "1" * 64)}
    assert len(hashes) == len(changes) + 2


def test_key_names_a_row_of_the_ledger():
    forecast = make_forecast(horizon=6)
    assert forecast.key == ("BTC/USDT", 6, "persistence", 1, AS_OF)
    assert forecast.target_time == AS_OF + timedelta(hours=6)


def test_unknown_form_has_no_hash():
    with pytest.raises(ValueError, match="no hash form 3"):
        hash_forecast(make_forecast(hash_form=3), FIRST_HASH)


def test_each_symbol_continues_its_own_chain():
    rows = [make_forecast(symbol=symbol) for symbol in ("A/B", "C/D", "A/B", "C/D")]
    chained = chain_forecasts(rows, {"A/B": "1" * 64})
    assert [link.prev_hash for link in chained] == [
        "1" * 64,
        FIRST_HASH,
        chained[0].row_hash,
        chained[1].row_hash,
    ]


def test_each_link_carries_the_hash_before_it():
    rows = [make_forecast(horizon=horizon) for horizon in (1, 6, 24)]
    chained = chain_forecasts(rows, {})
    assert [link.forecast for link in chained] == rows
    assert [link.prev_hash for link in chained] == [FIRST_HASH, *(c.row_hash for c in chained[:2])]


@pytest.mark.parametrize(("minutes", "kind"), [(0, "live"), (15, "live"), (15.01, "late")])
def test_forecast_is_late_when_issued_more_than_the_limit_after_its_hour(minutes, kind):
    assert find_kind(AS_OF, AS_OF + timedelta(minutes=minutes), 15) == kind
