"""A stand-in for Binance: a real HTTP server that answers its public endpoints from our candles.

For tests, demos and drills. It listens on this machine only, and on demand it fails as Binance
fails. It knows ringside's candles and sources; nothing of ringside knows it.
"""
