"""Targets: the log return that follows, and none where it has not happened."""

import numpy as np
import pytest

from builders import make_candles
from ringside.core.targets import forward_log_return


@pytest.mark.parametrize("horizon", [1, 6])
def test_target_is_the_log_return_that_follows(horizon):
    close = make_candles(40).close
    target = forward_log_return(close, horizon)
    expected = [np.log(close[i + horizon] / close[i]) for i in range(40 - horizon)]
    np.testing.assert_allclose(target[:-horizon], expected, rtol=1e-9, atol=1e-12)
    assert np.isnan(target[-horizon:]).all()


def test_horizon_must_lie_ahead():
    with pytest.raises(ValueError, match="at least 1"):
        forward_log_return(np.ones(3), 0)
