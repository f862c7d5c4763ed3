"""Does with mlforecast what `measure_contestants.py` does with our contestants; prints seconds.

Usage: PYTHON mlforecast_peer.py CANDLES.npz FACTS, run by that bench in mlforecast's environment.
XGBoost has our settings; each level is a model of its own, as mlforecast takes one number a row:
as many trees in all as one of our boosters, which grows one tree per level and round.
"""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import (
    ExponentiallyWeightedMean,
    RollingMean,
    RollingStd,
    SeasonalRollingMean,
)
from xgboost import XGBRegressor

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def make_forecaster(rounds: int, rows: int) -> MLForecast:
    """Make five quantile models on 24 columns: lags, rolling and seasonal means, the calendar."""
    models = {
        f"q{int(100 * level)}": XGBRegressor(
            objective="reg:quantileerror",
            quantile_alpha=level,
            n_estimators=rounds,
            tree_method="hist",
            max_depth=3,
            max_bin=64,
            learning_rate=0.04,
            reg_lambda=5.0,
            subsample=0.5,
            colsample_bytree=0.4,
            min_child_weight=0.035 * rows,
            n_jobs=1,
            random_state=1,
        )
        for level in LEVELS
    }
    rolling = [RollingStd(window) for window in (4, 24, 48, 168, 384, 720)]
    rolling += [RollingMean(window) for window in (4, 24, 168, 720)]
    rolling += [SeasonalRollingMean(24, count) for count in (7, 30)]
    rolling += [SeasonalRollingMean(168, count) for count in (2, 4)]
    rolling += [ExponentiallyWeightedMean(alpha) for alpha in (0.3, 0.1, 0.03, 0.01)]
    return MLForecast(
        models=models,
        freq="h",
        lags=[1, 4, 6, 24],
        lag_transforms={1: rolling},
        date_features=["hour", "dayofweek"],
        num_threads=1,
    )


def timed(call) -> float:
    """Give the seconds of processor time that `call` takes, whatever else the machine does."""
    began = time.process_time()
    call()
    return round(time.process_time() - began, 3)


def main(path: str, text: str) -> None:
    """Do the three tasks."""
    facts, data = json.loads(text), np.load(path)
    target = np.diff(np.log(data["close"]), prepend=np.log(data["close"][0]))
    frame = pd.DataFrame({"unique_id": "BTC", "ds": pd.to_datetime(data["open_time"]), "y": target})
    # mlforecast takes no gaps
    frame = frame.set_index("ds").asfreq("h").ffill().reset_index()
    year, step = facts["year"], facts["step"]
    whole = make_forecaster(facts["rounds"][0], year)
    columns = whole.preprocess(frame.tail(2_000)).shape[1] - 3
    if columns != facts["columns"]:
        raise SystemExit(f"mlforecast makes {columns} columns, ours are {facts['columns']}")

    def retrain() -> None:
        window = frame.tail(year + 720)
        for _ in facts["horizons"]:
            for rounds in facts["rounds"]:
                make_forecaster(rounds, year).cross_validation(
                    window, n_windows=facts["folds"], h=1, step_size=round(0.15 * year)
                )
            # its way to 24 hours ahead is 24 models; one is what our boosters are to be set beside
            make_forecaster(facts["rounds"][0], year).fit(window)

    def walk() -> None:
        # one hour a window: with a week of hours it would forecast on its own forecasts
        make_forecaster(facts["rounds"][0], year).cross_validation(
            frame, n_windows=facts["weeks"], h=1, step_size=step, input_size=year + 720
        )

    five_years = frame.tail(facts["five_years"])
    found = {
        "features": timed(lambda: whole.preprocess(five_years)),
        "retrain": timed(retrain),
        "walk": timed(walk),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:3])
