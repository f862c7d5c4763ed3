"""The first tables: candles from fetch to publication, the forecast ledger, verdicts, titles."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# A statement trigger, since TRUNCATE fires no row trigger.
REFUSE_CHANGES = """
CREATE FUNCTION refuse_change_of_forecasts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'forecasts are append-only: % is refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$
"""
REFUSE_TRIGGER = """
CREATE TRIGGER forecasts_are_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON forecasts
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_forecasts()
"""


def upgrade() -> None:
    """Make every table, and the trigger that keeps the forecast ledger append-only."""
    _make_candle_tables()
    _make_audit_tables()
    _make_forecast_tables()
    _make_title_tables()
    op.execute(REFUSE_CHANGES)
    op.execute(REFUSE_TRIGGER)


def _candle_columns(*, nullable: bool) -> list[sa.Column[object]]:
    names = ("open", "high", "low", "close", "volume")
    return [sa.Column(name, sa.Numeric, nullable=nullable) for name in names]


def _make_candle_tables() -> None:
    op.create_table(
        "raw_candles",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("row_number", sa.Integer, primary_key=True),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("open_time", INSTANT, nullable=False),
        *_candle_columns(nullable=True),
        sa.Column("ingested_at", INSTANT, nullable=False),
    )
    op.create_table(
        "candles",
        sa.Column("symbol", sa.Text, primary_key=True),
        sa.Column("open_time", INSTANT, primary_key=True),
        *_candle_columns(nullable=False),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
    )


def _make_audit_tables() -> None:
    op.create_table(
        "audits",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("is_refused", sa.Boolean, nullable=False),
        sa.Column("failures", JSONB, nullable=False),
        sa.Column("warnings", JSONB, nullable=False),
        sa.Column("audited_at", INSTANT, nullable=False),
    )
    op.create_table(
        "quarantined_candles",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("row_number", sa.Integer, primary_key=True),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("open_time", INSTANT, nullable=False),
        *_candle_columns(nullable=True),
        sa.Column("reasons", JSONB, nullable=False),
        sa.Column("quarantined_at", INSTANT, nullable=False),
    )


def _make_forecast_tables() -> None:
    op.create_table(
        "forecasts",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("horizon", sa.Integer, nullable=False),
        sa.Column("contestant", sa.Text, nullable=False),
        sa.Column("model_version", sa.Integer, nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("target_time", INSTANT, nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("anchor_close", sa.Double, nullable=False),
        sa.Column("sigma", sa.Double, nullable=False),
        sa.Column("q05", sa.Double, nullable=False),
        sa.Column("q25", sa.Double, nullable=False),
        sa.Column("q50", sa.Double, nullable=False),
        sa.Column("q75", sa.Double, nullable=False),
        sa.Column("q95", sa.Double, nullable=False),
        sa.Column("prev_hash", sa.Text, nullable=False),
        sa.Column("row_hash", sa.Text, nullable=False),
        sa.UniqueConstraint("symbol", "horizon", "contestant", "model_version", "as_of"),
    )
    op.create_table(
        "scores",
        sa.Column("forecast_id", sa.BigInteger, sa.ForeignKey("forecasts.id"), primary_key=True),
        sa.Column("realised_return", sa.Double, nullable=False),
        sa.Column("loss", sa.Double, nullable=False),
        sa.Column("scaled_loss", sa.Double, nullable=False),
        sa.Column("abs_error", sa.Double, nullable=False),
        sa.Column("is_inside_50", sa.Boolean, nullable=False),
        sa.Column("is_inside_90", sa.Boolean, nullable=False),
        sa.Column("scored_at", INSTANT, nullable=False),
    )


def _make_title_tables() -> None:
    op.create_table(
        "verdicts",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("horizon", sa.Integer, nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("champion", sa.Text, nullable=False),
        sa.Column("champion_version", sa.Integer, nullable=False),
        sa.Column("challenger", sa.Text, nullable=True),
        sa.Column("challenger_version", sa.Integer, nullable=True),
        sa.Column("facts", JSONB, nullable=False),
        sa.Column("text_en", sa.Text, nullable=False),
        sa.Column("text_ko", sa.Text, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.UniqueConstraint("symbol", "horizon", "as_of"),
    )
    op.create_table(
        "title_history",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("horizon", sa.Integer, nullable=False),
        sa.Column("contestant", sa.Text, nullable=False),
        sa.Column("model_version", sa.Integer, nullable=False),
        sa.Column("held_from", INSTANT, nullable=False),
        sa.Column("promoted_at", INSTANT, nullable=False),
        sa.Column("promoted_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("verdict_id", sa.BigInteger, sa.ForeignKey("verdicts.id"), nullable=True),
        sa.UniqueConstraint("symbol", "horizon", "held_from"),
    )
    op.create_table(
        "market_clock",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("source_detail", sa.Text, nullable=False),
        sa.Column("offset_hours", sa.Integer, nullable=False),
        sa.Column("set_at", INSTANT, nullable=False),
    )
