"""Static charts of a series, one module each: numbers in, a claim and a matplotlib figure out.

No chart is drawn without something to show: its claim then says in words what is missing. Saving
is done elsewhere. All axes of time are in UTC. matplotlib is imported when a chart is drawn.
"""
