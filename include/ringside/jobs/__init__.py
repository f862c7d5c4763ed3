"""Use cases: each job joins core and adapters and returns a frozen dataclass of facts."""
