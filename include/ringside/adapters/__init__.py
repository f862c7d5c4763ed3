"""IO: one outside system per module, each hidden behind a small class."""
