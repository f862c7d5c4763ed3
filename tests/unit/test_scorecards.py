"""Scorecards against the slow way, and intervals on planted skill."""

import numpy as np
import pytest

from gate_builders import make_rows
from ringside.core.candles import HOUR
from ringside.core.scorecards import compute_interval, compute_scorecard, make_tracks

BASELINES = ("persistence", "persistence_ewma")


def score(rows, swaps=None):
    tracks = make_tracks(rows)
    found = compute_scorecard(tracks, baselines=BASELINES, swaps=swaps or {})
    return {row.contestant: row for row in found}


def test_scorecard_agrees_with_a_loop():
    rows = {"persistence": make_rows(20, width=1.4), "xgboost": make_rows(20, noise=0.3)}
    card = score(rows, {"xgboost": 2})
    assert list(card) == ["xgboost", "persistence"]
    for name, row in card.items():
        stream, losses, inside = rows[name], [], 0
        for hour in range(len(stream)):
            outcome, quantiles = stream.realised[hour], stream.quantiles[hour]
            total = 0.0
            for level, quantile in zip((0.05, 0.25, 0.5, 0.75, 0.95), quantiles, strict=True):
                miss = outcome - quantile
                total += level * miss if miss > 0 else (level - 1) * miss
            losses.append(total / 5 / stream.sigma[hour])
            inside += quantiles[0] <= outcome <= quantiles[4]
        assert row.scaled_loss == pytest.approx(np.mean(losses))
        assert row.inside_90_frac == inside / len(stream)
        assert row.width_90 == pytest.approx(
            np.mean((stream.quantiles[:, 4] - stream.quantiles[:, 0]) / stream.sigma)
        )
        assert row.abs_error == pytest.approx(np.abs(stream.realised).mean())
    skill = 1 - card["xgboost"].scaled_loss / card["persistence"].scaled_loss
    against = card["xgboost"].against["persistence"]
    assert against.skill == pytest.approx(skill)
    assert against.low < skill < against.high
    assert card["xgboost"].against["persistence_ewma"] is None
    assert card["persistence"].against["persistence"] is None
    assert (card["xgboost"].swaps, card["persistence"].swaps) == (2, 0)


def test_copy_of_the_last_price_scores_exactly_persistence():
    card = score({"persistence": make_rows(30), "copycat": make_rows(30)})
    against = card["copycat"].against["persistence"]
    assert against.skill == 0.0
    assert (against.low, against.high) == pytest.approx((0.0, 0.0))
    assert card["copycat"].scaled_loss == card["persistence"].scaled_loss


def test_live_row_of_the_newest_version_counts_and_what_is_not_finite_does_not():
    rows = make_rows(3)
    rows.quantiles[5, 2] = np.nan
    rows.sigma[6] = 0.0
    track = make_tracks({"a": rows})["a"]
    assert len(track) == 70
    assert make_tracks({"b": rows.take(np.array([5, 6]))}) == {}


def test_newcomer_is_compared_on_the_hours_it_shares():
    old, new = make_rows(40), make_rows(40, width=1.2)
    late = new.take(np.arange(len(new)) >= 35 * 24)
    row = score({"persistence": old, "linear": late})["linear"]
    assert row.against["persistence"].hours == 5 * 24
    assert row.against["persistence"].low is None  # five days are too few for an interval


def test_interval_holds_the_planted_skill_about_as_often_as_it_says():
    """Days whose losses resemble each other, as volatility does; a naive interval is too narrow."""
    rng = np.random.default_rng(0)
    as_of = np.datetime64("2026-01-01", "s") + np.arange(120 * 24) * HOUR
    held = 0
    for _ in range(100):
        slow = np.repeat(np.convolve(rng.normal(0, 1, 124), np.ones(5) / 5, "valid"), 24)
        base = rng.gamma(4, 0.06, len(as_of))
        own = base * 0.97 + 0.02 * slow + 0.02 * rng.normal(0, 1, len(as_of))
        low, high = compute_interval(as_of, own, base)
        held += low <= 0.03 <= high
    assert 0.82 <= held / 100 <= 0.99


def test_no_interval_without_a_loss_to_save():
    as_of = np.datetime64("2026-01-01", "s") + np.arange(30 * 24) * HOUR
    assert compute_interval(as_of, np.ones(len(as_of)), np.zeros(len(as_of))) is None
