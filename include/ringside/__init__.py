"""Ringside: hourly forecasting models fight for a title. Knows neither Airflow nor Flask."""

__version__ = "0.1.0"
