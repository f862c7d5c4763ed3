"""Auxiliary values as fetched; the times of candles and values in one shape for both."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# What is missing, and what no answer had, is found alike for candles and auxiliary values.
PUBLISHED_TIMES = """
CREATE VIEW published_times (symbol, open_time, batch_id) AS
SELECT symbol, open_time, batch_id FROM candles
UNION ALL
SELECT series, time, batch_id FROM observations
"""
FETCHED_TIMES = """
CREATE VIEW fetched_times (batch_id, row_number, symbol, open_time, ingested_at) AS
SELECT batch_id, row_number, symbol, open_time, ingested_at FROM raw_candles
UNION ALL
SELECT batch_id, row_number, series, time, ingested_at FROM raw_observations
"""
# Why each row of a batch was refused; without a row number: why all of them were.
REFUSAL_REASONS = """
CREATE VIEW refusal_reasons (batch_id, row_number, reasons) AS
SELECT
    a.batch_id,
    f.row_number,
    jsonb_agg(
        jsonb_build_object('expectation', f.expectation, 'reason', f.reason) ORDER BY f.position
    )
FROM audits AS a
CROSS JOIN LATERAL ROWS FROM (
    jsonb_to_recordset(a.failures) AS (row_number integer, expectation text, reason text)
) WITH ORDINALITY AS f (row_number, expectation, reason, position)
GROUP BY a.batch_id, f.row_number
"""


def upgrade() -> None:
    """Make the new table and the views; values that are there have no batch to name."""
    op.create_table(
        "raw_observations",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("row_number", sa.Integer, primary_key=True),
        sa.Column("series", sa.Text, nullable=False),
        sa.Column("time", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("value", sa.Double, nullable=True),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("ingested_at", INSTANT, nullable=False),
    )
    op.add_column("observations", sa.Column("batch_id", sa.Text, nullable=True))
    op.execute(PUBLISHED_TIMES)
    op.execute(FETCHED_TIMES)
    op.execute(REFUSAL_REASONS)
