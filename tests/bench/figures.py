"""What benches write: a figure of ours beside a peer's or a floor's, one object per line."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One figure of ours beside a peer's or a floor's, in `unit`."""

    name: str
    ours: float
    peer: float
    peer_name: str
    unit: str

    def as_json(self) -> str:
        """Write the row as one line with its ratio."""
        return json.dumps({**asdict(self), "ratio": round(self.ours / self.peer, 3)})
