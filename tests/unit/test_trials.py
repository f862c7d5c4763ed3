"""Out-of-sample trials: steps in time's order, scores and importances against the slow way."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from model_builders import make_sample
from ringside.core.candles import HOUR
from ringside.core.charts.canvas import Caption
from ringside.core.charts.importances import render_importances
from ringside.core.contestants import CONTESTANTS
from ringside.core.metrics import compute_pinball_loss
from ringside.core.trials import (
    STEP_HOURS,
    compute_importances,
    describe_scores,
    find_steps,
    join_scores,
    try_out,
)


def fit(name, sample):
    contestant = CONTESTANTS[name]()
    contestant.fit(sample, seed=1)
    return contestant


@pytest.mark.parametrize("horizon", [1, 6, 24])
@pytest.mark.parametrize("count", [240, 4000])
def test_no_step_fits_on_a_target_that_lies_in_its_test(count, horizon):
    sample = make_sample(count, horizon=horizon)
    steps = find_steps(sample)

    assert len(steps) == 2
    for step in steps:
        known = step.fit.open_time + (1 + horizon) * HOUR
        assert known.max() <= step.start == step.test.open_time[0] + HOUR
        assert len(step.fit) >= 0.8 * count - horizon - 1
    tested = np.concatenate([step.test.open_time for step in steps])
    assert (np.diff(tested) == HOUR).all()
    assert tested[-1] == sample.open_time[-1]
    assert len(tested) == min(2 * STEP_HOURS, 2 * int(0.2 * count // 2))


def test_scores_equal_a_loop_and_join_in_order():
    sample = make_sample(600)
    first, second = find_steps(sample)
    contestant = fit("persistence_ewma", first.fit)
    parts = [try_out(contestant, step.test) for step in (first, second)]
    whole = join_scores(parts)

    both = np.concatenate([np.arange(600 - 120, 600)])
    for place, row in enumerate(both):
        one = sample.take(np.array([row]))
        quantiles = contestant.forecast(one.features, one.sigma)
        loss = compute_pinball_loss(one.target, quantiles)[0] / one.sigma[0]
        assert whole.loss[place] == pytest.approx(loss, rel=1e-12)
        assert whole.abs_error[place] == abs(one.target[0])
        assert whole.inside_50[place] == (quantiles[0, 1] <= one.target[0] <= quantiles[0, 3])
        assert whole.inside_90[place] == (quantiles[0, 0] <= one.target[0] <= quantiles[0, 4])
    figures = describe_scores(whole, {"itself": whole})
    assert figures["oos_rows"] == 120
    assert figures["oos_skill_itself"] == 0
    assert figures["oos_inside_90_frac"] == whole.inside_90.mean()


def test_column_that_tells_the_direction_is_the_most_important():
    sample = make_sample(3000, pull=2.0)
    step = find_steps(sample)[-1]
    shares = dict(compute_importances(fit("xgboost", step.fit), step.test, seed=1))

    assert list(shares) == list(sample.names)
    best = max(shares, key=lambda name: shares[name])
    assert best == sample.names[0]
    assert shares[best] > 0.1
    others = [share for name, share in shares.items() if name != best]
    assert max(np.abs(others)) < 0.2 * shares[best]


def test_shuffling_leaves_the_rows_of_the_step_as_they_were():
    step = find_steps(make_sample(600))[-1]
    before = replace(step.test, features=step.test.features.copy())
    list(compute_importances(fit("xgboost", step.fit), step.test, seed=1))
    np.testing.assert_array_equal(step.test.features, before.features)


CAPTION = Caption(datetime(2026, 1, 1, tzinfo=UTC), "data 00ff")


def test_chart_names_the_largest_and_draws_every_column():
    shares = {"volume": 0.01, "range": 0.2, "season": -0.001}
    figure = render_importances(shares, name="xgboost", caption=CAPTION)

    assert figure.get_suptitle() == "xgboost rests most on range"
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [-0.1, 1.0, 20.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["season", "volume", "range"]
    assert "percent" in axes.get_xlabel()
    assert figure.get_supxlabel() == "as of 2026-01-01 00:00 UTC · source: data 00ff"
