"""The tables of Ringside's PostgreSQL as SQLAlchemy Core objects; Alembic makes them for real."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()
_Instant = DateTime(timezone=True)


def _candle_columns(*, nullable: bool) -> list[Column[object]]:
    """Columns open, high, low, close (quote currency) and volume (base currency)."""
    names = ("open", "high", "low", "close", "volume")
    return [Column(name, Numeric, nullable=nullable) for name in names]


def _row_key() -> list[Column[object]]:
    """Columns that name one fetched row."""
    kinds = {"batch_id": Text, "row_number": Integer}
    return [Column(name, kind, primary_key=True) for name, kind in kinds.items()]


# As fetched, never updated; a batch that is fetched again replaces itself whole.
raw_candles = Table(
    "raw_candles",
    metadata,
    *_row_key(),
    Column("symbol", Text, nullable=False),
    Column("venue", Text, nullable=False),
    Column("open_time", _Instant, nullable=False),
    *_candle_columns(nullable=True),
    Column("ingested_at", _Instant, nullable=False),
)

# One row per answer of a source, also of an empty one: the hours in [start_time, end_time) were
# asked for. `venues` names the authoritative venue first, then the fallbacks the settings allow.
fetches = Table(
    "fetches",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("venue", Text, nullable=False),
    Column("venues", JSONB, nullable=False),
    Column("start_time", _Instant, nullable=False),
    Column("end_time", _Instant, nullable=False),
    Column("as_of", _Instant, nullable=False),
    Column("rows", Integer, nullable=False),
)

# Hours that a source was asked for and answered without, until it has them. All times are market
# time. The older the hour, the later `next_ask_at`.
outage_hours = Table(
    "outage_hours",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("open_time", _Instant, primary_key=True),
    Column("venue", Text, nullable=False),
    Column("reason", Text, nullable=False),  # absent, refused
    Column("first_asked_at", _Instant, nullable=False),
    Column("last_asked_at", _Instant, nullable=False),
    Column("next_ask_at", _Instant, nullable=False),
)

# `failures` lists {row_number, open_time, expectation, reason}.
audits = Table(
    "audits",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("as_of", _Instant, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("is_refused", Boolean, nullable=False),
    Column("failures", JSONB, nullable=False),
    Column("warnings", JSONB, nullable=False),
    Column("audited_at", _Instant, nullable=False),
)

quarantined_candles = Table(
    "quarantined_candles",
    metadata,
    *_row_key(),
    Column("symbol", Text, nullable=False),
    Column("venue", Text, nullable=False),
    Column("open_time", _Instant, nullable=False),
    *_candle_columns(nullable=True),
    Column("reasons", JSONB, nullable=False),
    Column("quarantined_at", _Instant, nullable=False),
)

# Who let a quarantined row through, and why; the row itself stays in quarantine as evidence.
releases = Table(
    "releases",
    metadata,
    *_row_key(),
    Column("released_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("released_at", _Instant, nullable=False),
)

candles = Table(
    "candles",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("open_time", _Instant, primary_key=True),
    *_candle_columns(nullable=False),
    Column("venue", Text, nullable=False),
    Column("batch_id", Text, nullable=False),
    Column("published_at", _Instant, nullable=False),
    Index("candles_by_published_at", "symbol", "published_at"),
)


def _value_columns(*, key: bool, nullable: bool) -> list[Column[object]]:
    """Columns of an auxiliary value; `time` is the start of its bar or session at the source."""
    return [
        Column("series", Text, primary_key=key, nullable=False),
        Column("time", _Instant, primary_key=key, nullable=False),
        Column("known_at", _Instant, nullable=False),  # the value may be used from then on
        Column("value", Double, nullable=nullable),
        Column("venue", Text, nullable=False),
    ]


# As fetched. Asked for, audited and missing as candles are: there the series is the `symbol`.
raw_observations = Table(
    "raw_observations",
    metadata,
    *_row_key(),
    *_value_columns(key=False, nullable=True),
    Column("ingested_at", _Instant, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    *_value_columns(key=True, nullable=False),
    Column("batch_id", Text, nullable=True),  # NULL: published before raw rows were kept
    Column("published_at", _Instant, nullable=False),
    Index("observations_by_known_at", "series", "known_at"),
)

quarantined_observations = Table(
    "quarantined_observations",
    metadata,
    *_row_key(),
    *_value_columns(key=False, nullable=True),
    Column("reasons", JSONB, nullable=False),
    Column("quarantined_at", _Instant, nullable=False),
)

# Append-only (a trigger refuses UPDATE and DELETE); `row_hash` chains the rows of one symbol.
# `model_version` 0 means: refitted for the record, not in the registry.
forecasts = Table(
    "forecasts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("contestant", Text, nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("as_of", _Instant, nullable=False),
    Column("target_time", _Instant, nullable=False),
    Column("issued_at", _Instant, nullable=False),
    Column("kind", Text, nullable=False),  # live, late, replayed
    Column("anchor_close", Double, nullable=False),
    Column("sigma", Double, nullable=False),
    Column("q05", Double, nullable=False),
    Column("q25", Double, nullable=False),
    Column("q50", Double, nullable=False),
    Column("q75", Double, nullable=False),
    Column("q95", Double, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("row_hash", Text, nullable=False),
    Column("shifts", ARRAY(Double), nullable=True),  # units of sigma * sqrt(horizon)
    Column("input_ages", JSONB, nullable=True),  # hours, by input
    Column("hash_form", SmallInteger, nullable=False),  # 1 hashes neither shifts nor ages
    UniqueConstraint("symbol", "horizon", "contestant", "model_version", "as_of"),
    Index("forecasts_by_target", "symbol", "target_time"),
)

# Why a forecast is not on the record. Horizon 0: all of the symbol's; contestant '' and version 0:
# no single version is to blame.
withheld_forecasts = Table(
    "withheld_forecasts",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("horizon", Integer, primary_key=True),
    Column("contestant", Text, primary_key=True),
    Column("model_version", Integer, primary_key=True),
    Column("as_of", _Instant, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("withheld_at", _Instant, nullable=False),
)

# Derived from `forecasts` and `candles` alone; `ringside scores rebuild` makes it anew.
scores = Table(
    "scores",
    metadata,
    Column("forecast_id", BigInteger, ForeignKey("forecasts.id"), primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("contestant", Text, nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("is_live", Boolean, nullable=False),
    Column("target_time", _Instant, nullable=False),
    Column("target_close", Double, nullable=False),  # a candle that now differs was revised
    Column("realised_return", Double, nullable=False),
    Column("loss", Double, nullable=False),  # mean pinball loss over the five quantiles
    Column("scaled_loss", Double, nullable=False),  # the same divided by sigma
    Column("abs_error", Double, nullable=False),  # of the median, log return
    Column("quantiles_below", SmallInteger, nullable=False),  # that the outcome exceeded, 0 to 5
    Column("is_inside_50", Boolean, nullable=False),
    Column("is_inside_90", Boolean, nullable=False),
    Column("scored_at", _Instant, nullable=False),
    Index("scores_by_scored_at", "symbol", "scored_at"),
    Index(
        "scores_by_target",
        "symbol",
        "horizon",
        "contestant",
        "target_time",
        "is_live",
        "model_version",
        postgresql_include=["quantiles_below"],
    ),
)

# Derived from `scores`: figures of the 30 days that end with `day` (UTC, of the target time).
# A skill is NULL where the contestant shares no hour with that baseline.
skill_history = Table(
    "skill_history",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("horizon", Integer, primary_key=True),
    Column("contestant", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("hours", Integer, nullable=False),
    Column("live_hours", Integer, nullable=False),
    Column("scaled_loss", Double, nullable=False),
    Column("abs_error", Double, nullable=False),
    Column("skill_persistence", Double, nullable=True),
    Column("skill_persistence_ewma", Double, nullable=True),
    Column("inside_50_frac", Double, nullable=False),
    Column("inside_90_frac", Double, nullable=False),
)

# `origin`: gate, force, hold, freeze, unfreeze, roll_back, probation; with `asked_by` and
# `asked_reason` where a person asked. `docket` is a file name, of that SHA-256.
verdicts = Table(
    "verdicts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("as_of", _Instant, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("champion", Text, nullable=False),
    Column("champion_version", Integer, nullable=False),
    Column("challenger", Text, nullable=True),
    Column("challenger_version", Integer, nullable=True),
    Column("facts", JSONB, nullable=False),
    Column("text_en", Text, nullable=False),
    Column("text_ko", Text, nullable=False),
    Column("decided_at", _Instant, nullable=False),
    Column("origin", Text, nullable=False),
    Column("asked_by", Text, nullable=True),
    Column("asked_reason", Text, nullable=True),
    Column("docket", Text, nullable=True),
    Column("docket_sha256", Text, nullable=True),
    UniqueConstraint("symbol", "horizon", "as_of", "origin"),
)

title_history = Table(
    "title_history",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("symbol", Text, nullable=False),
    Column("horizon", Integer, nullable=False),
    Column("contestant", Text, nullable=False),
    Column("model_version", Integer, nullable=False),
    Column("held_from", _Instant, nullable=False),
    Column("promoted_at", _Instant, nullable=False),
    Column("promoted_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("verdict_id", BigInteger, ForeignKey("verdicts.id"), nullable=True),
    UniqueConstraint("symbol", "horizon", "held_from"),
)

# What other ways to choose would have cost on the same recorded forecasts, as of the last decision;
# derived from `forecasts`, `scores` and `title_history` alone.
policy_costs = Table(
    "policy_costs",
    metadata,
    Column("symbol", Text, primary_key=True),
    Column("horizon", Integer, primary_key=True),
    Column("policy", Text, primary_key=True),
    Column("as_of", _Instant, nullable=False),
    Column("scaled_loss", Double, nullable=False),
    Column("swaps", Integer, nullable=False),
    Column("hours", Integer, nullable=False),
)

# One row: where the stores' candles come from and how far market time is from real time.
market_clock = Table(
    "market_clock",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("source_detail", Text, nullable=False),
    Column("offset_hours", Integer, nullable=False),
    Column("set_at", _Instant, nullable=False),
)
