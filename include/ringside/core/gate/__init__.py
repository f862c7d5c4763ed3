"""The gate: ledger rows of one title in, verdict out; pure, and the same for the same rows.

`decide_title(record, rule)` recomputes all evidence from the rows at every run; nothing is carried
over. Why it is built so, with its error rates: docs/decisions/0010.
"""
