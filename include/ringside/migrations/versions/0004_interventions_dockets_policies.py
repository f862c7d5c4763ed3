"""Verdicts name who asked and where their docket is; the costs of policies."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ONCE = "verdicts_symbol_horizon_as_of_key"
ONCE_PER_ORIGIN = "verdicts_symbol_horizon_as_of_origin_key"


def upgrade() -> None:
    """Add what is new; verdicts that are there came from the gate and have no docket."""
    op.add_column("verdicts", sa.Column("origin", sa.Text, nullable=False, server_default="gate"))
    op.alter_column("verdicts", "origin", server_default=None)
    op.add_column("verdicts", sa.Column("asked_by", sa.Text, nullable=True))
    op.add_column("verdicts", sa.Column("asked_reason", sa.Text, nullable=True))
    op.add_column("verdicts", sa.Column("docket", sa.Text, nullable=True))
    op.add_column("verdicts", sa.Column("docket_sha256", sa.Text, nullable=True))
    op.drop_constraint(ONCE, "verdicts")
    op.create_unique_constraint(
        ONCE_PER_ORIGIN, "verdicts", ["symbol", "horizon", "as_of", "origin"]
    )
    op.create_table(
        "policy_costs",
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("horizon", sa.Integer, primary_key=True),
        sa.Column("policy", sa.Text, primary_key=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scaled_loss", sa.Double, nullable=False),
        sa.Column("swaps", sa.Integer, nullable=False),
        sa.Column("hours", sa.Integer, nullable=False),
    )
