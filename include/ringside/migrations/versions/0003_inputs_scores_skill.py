"""What forecasts stood on, forecasts withheld, scores that follow revisions, history of skill."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# Scores are derived: those that are there get what the new columns hold from where it comes.
FILL_SCORES = """
UPDATE scores AS s
SET
    symbol = f.symbol,
    horizon = f.horizon,
    contestant = f.contestant,
    model_version = f.model_version,
    is_live = f.kind = 'live',
    target_time = f.target_time,
    target_close = c.close::double precision,
    quantiles_below = (f.q05 < s.realised_return)::integer
        + (f.q25 < s.realised_return)::integer
        + (f.q50 < s.realised_return)::integer
        + (f.q75 < s.realised_return)::integer
        + (f.q95 < s.realised_return)::integer
FROM forecasts AS f
INNER JOIN candles AS c
    ON c.symbol = f.symbol
    AND c.open_time = f.target_time - INTERVAL '1 hour'
WHERE f.id = s.forecast_id
"""
SCORE_COLUMNS: dict[str, Any] = {
    "symbol": sa.Text,
    "horizon": sa.Integer,
    "contestant": sa.Text,
    "model_version": sa.Integer,
    "is_live": sa.Boolean,
    "target_time": INSTANT,
    "target_close": sa.Double,
    "quantiles_below": sa.SmallInteger,
}


def upgrade() -> None:
    """Add the columns and tables; no recorded forecast changes, and old rows keep their hash."""
    # a column that is new, and filled by its default alone, needs no UPDATE of the ledger
    op.add_column("forecasts", sa.Column("shifts", ARRAY(sa.Double), nullable=True))
    op.add_column("forecasts", sa.Column("input_ages", JSONB, nullable=True))
    op.add_column(
        "forecasts",
        sa.Column("hash_form", sa.SmallInteger, nullable=False, server_default="1"),
    )
    op.alter_column("forecasts", "hash_form", server_default=None)
    for name, kind in SCORE_COLUMNS.items():
        op.add_column("scores", sa.Column(name, kind, nullable=True))
    op.execute(FILL_SCORES)
    op.execute("DELETE FROM scores WHERE target_close IS NULL")
    for name in SCORE_COLUMNS:
        op.alter_column("scores", name, nullable=False)
    op.create_index(
        "scores_by_target",
        "scores",
        ["symbol", "horizon", "contestant", "target_time", "is_live", "model_version"],
        postgresql_include=["quantiles_below"],
    )
    op.create_index("scores_by_scored_at", "scores", ["symbol", "scored_at"])
    op.create_index("forecasts_by_target", "forecasts", ["symbol", "target_time"])
    op.create_index("candles_by_published_at", "candles", ["symbol", "published_at"])
    _make_withheld_forecasts()
    _make_skill_history()


def _make_withheld_forecasts() -> None:
    op.create_table(
        "withheld_forecasts",
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("horizon", sa.Integer, primary_key=True),
        sa.Column("contestant", sa.Text, primary_key=True),
        sa.Column("model_version", sa.Integer, primary_key=True),
        sa.Column("as_of", INSTANT, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("withheld_at", INSTANT, nullable=False),
    )


def _make_skill_history() -> None:
    op.create_table(
        "skill_history",
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("horizon", sa.Integer, primary_key=True),
        sa.Column("contestant", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("hours", sa.Integer, nullable=False),
        sa.Column("live_hours", sa.Integer, nullable=False),
        sa.Column("scaled_loss", sa.Double, nullable=False),
        sa.Column("abs_error", sa.Double, nullable=False),
        sa.Column("skill_persistence", sa.Double, nullable=True),
        sa.Column("skill_persistence_ewma", sa.Double, nullable=True),
        sa.Column("inside_50_frac", sa.Double, nullable=False),
        sa.Column("inside_90_frac", sa.Double, nullable=False),
    )
