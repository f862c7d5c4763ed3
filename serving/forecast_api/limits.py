"""How large a request may be."""

MAX_BODY_BYTES = 12 * 2**20
"""A hundred windows of 721 candles, written out at length."""
