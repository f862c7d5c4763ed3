"""Runs the whole platform on one machine without Docker. Never imported by the platform itself."""
