"""Rows for the gate with a known truth: outcomes are normal, bands are right or too wide."""

from datetime import UTC, datetime, timedelta

import numpy as np

from ringside.core.gate.streams import Stream, Term, TitleRecord

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
NORMAL = np.array([-1.6449, -0.6745, 0.0, 0.6745, 1.6449])
SIGMA = 0.01
ROSTER = ("persistence", "persistence_ewma", "xgboost")
BASELINES = frozenset({"persistence", "persistence_ewma"})


def make_hours(days, start=START):
    first = np.datetime64(start.replace(tzinfo=None), "s")
    return first + np.arange(round(days * 24)) * np.timedelta64(1, "h")


def make_outcomes(days, *, start=START, horizon=1, seed=0):
    """Realised returns that only depend on the hour, so that streams of one title agree."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal(60_000) * SIGMA
    offset = round((start - START).total_seconds() / 3600) + 20_000
    sums = np.concatenate([[0.0], np.cumsum(steps)])
    hours = np.arange(round(days * 24)) + offset
    return sums[hours + horizon] - sums[hours]


def make_rows(
    days, *, width=1.0, shift=0.0, version=1, live=True, start=START, horizon=1, noise=0.0, seed=1
):
    """Rows of one version; `width` 1 is the true band, `noise` disturbs its width by the hour."""
    hours = make_hours(days, start)
    rng = np.random.default_rng([seed, version])
    widths = width * np.exp(noise * rng.standard_normal(len(hours)))
    scaled = (widths[:, None] * NORMAL + shift) * np.sqrt(horizon)
    return Stream(
        as_of=hours,
        target_time=hours + np.timedelta64(horizon, "h"),
        model_version=np.full(len(hours), version),
        is_live=np.full(len(hours), live),
        sigma=np.full(len(hours), SIGMA),
        quantiles=scaled * SIGMA,
        realised=make_outcomes(days, start=start, horizon=horizon),
    )


def join_rows(*parts):
    return Stream(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    )


def make_record(
    rows,
    *,
    champion="persistence",
    version=1,
    days=60,
    horizon=1,
    held_from=START,
    earlier=(),
    **options,
):
    """A title; `earlier` names the terms (instant, version) of the champion's recipe before."""
    terms = [Term(*term) for term in (*earlier, (held_from, version))]
    options.setdefault("crowned_at", terms[0].held_from)
    return TitleRecord(
        symbol="BTC/USDT",
        horizon=horizon,
        as_of=START + timedelta(days=days, hours=horizon - 1),
        champion=champion,
        terms=terms,
        rows=rows,
        roster=ROSTER,
        baselines=BASELINES,
        **options,
    )
