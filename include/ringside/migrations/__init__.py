"""Alembic revisions of Ringside's tables: forward only, never edited once landed."""
