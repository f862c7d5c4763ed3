"""What was asked for, hours a venue never had, released rows, and auxiliary observations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the new tables; those that are there stay as they are."""
    _make_window_tables()
    op.create_table(
        "releases",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("row_number", sa.Integer, primary_key=True),
        sa.Column("released_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("released_at", INSTANT, nullable=False),
    )
    _make_observation_tables()


def _make_window_tables() -> None:
    op.create_table(
        "fetches",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("venues", JSONB, nullable=False),
        sa.Column("start_time", INSTANT, nullable=False),
        sa.Column("end_time", INSTANT, nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
    )
    op.create_table(
        "outage_hours",
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("open_time", INSTANT, primary_key=True),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("first_asked_at", INSTANT, nullable=False),
        sa.Column("last_asked_at", INSTANT, nullable=False),
        sa.Column("next_ask_at", INSTANT, nullable=False),
    )


def _make_observation_tables() -> None:
    op.create_table(
        "observations",
        sa.Column("series", sa.Text, primary_key=True),
        sa.Column("time", INSTANT, primary_key=True),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
    )
    op.create_index("observations_by_known_at", "observations", ["series", "known_at"])
    op.create_table(
        "quarantined_observations",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("row_number", sa.Integer, primary_key=True),
        sa.Column("series", sa.Text, nullable=False),
        sa.Column("time", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("value", sa.Double, nullable=True),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("reasons", JSONB, nullable=False),
        sa.Column("quarantined_at", INSTANT, nullable=False),
    )
