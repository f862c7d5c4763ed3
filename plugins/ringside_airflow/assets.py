"""The named things that DAGs hand to each other; an event's `extra` carries its `as_of`."""

from airflow.sdk import Asset

CANDLES = Asset(name="candles", uri="ringside://candles")
"""Audited candles were published. `extra`: `as_of`, the market time they are complete to."""

TITLE = Asset(name="title", uri="ringside://title")
"""Titles were decided: kept, or passed on and recorded. `extra`: `as_of` of the decision."""
