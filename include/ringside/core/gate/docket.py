"""The docket: what a verdict rested on, so that it can be derived again and must match.

A bundle is canonical: the same rows, rule and code give the same bytes. It holds a hash of every
row, not the rows; replaying it takes the rows from the ledger and names those that have changed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Any

import numpy as np

from ringside.core.candles import to_datetime64
from ringside.core.gate.decision import decide_title
from ringside.core.gate.pairing import pair_streams
from ringside.core.gate.rules import GateRule
from ringside.core.gate.sides import lay_out_sides
from ringside.core.gate.streams import Stream, TitleRecord
from ringside.core.gate.verdict import GateVerdict


@dataclass(frozen=True)
class Replayed:
    """What came of deriving a verdict again.

    `changed`, `missing` and `added` name ledger rows as `contestant/version/as_of`; `differences`
    names the parts of the bundle that differ. `matches` is true when all of them are empty.
    """

    changed: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    differences: tuple[str, ...]

    @property
    def matches(self) -> bool:
        """Whether the bundle was derived again to the last bit."""
        return not (self.changed or self.missing or self.added or self.differences)


def make_bundle(record: TitleRecord, verdict: GateVerdict, *, code_id: str) -> dict[str, Any]:
    """Bundle what a verdict rests on, as JSON-able values.

    Args:
        record: What was decided on.
        verdict: What `decide_title` made of it; it names its rule.
        code_id: What names the code that decides, such as its version and hash.
    """
    known = record.select_known(verdict.rule)
    return {
        "code_id": code_id,
        "title": _write_title(record),
        "rule": asdict(verdict.rule),
        "rows": {name: hash_rows(name, rows) for name, rows in sorted(known.items())},
        "block_losses": _sum_block_losses(record, verdict.rule),
        "verdict": _round_trip(verdict.to_facts()),
    }


def write_bundle(bundle: Mapping[str, Any]) -> bytes:
    """Write a bundle canonically: sorted keys, no spaces, numbers to the last bit."""
    return json.dumps(bundle, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def hash_rows(contestant: str, rows: Stream) -> dict[str, str]:
    """Hash each row by its name, `contestant/version/as_of`; every bit of every column counts."""
    names = [field.name for field in fields(rows)]
    hashes = {}
    for number in range(len(rows)):
        cells = [np.asarray(getattr(rows, name)[number]) for name in names]
        key = f"{contestant}/{int(rows.model_version[number])}/{rows.as_of[number]}"
        hashes[key] = sha256(b"|".join(cell.tobytes() for cell in cells)).hexdigest()
    return dict(sorted(hashes.items()))


def replay(bundle: Mapping[str, Any], record: TitleRecord, *, code_id: str) -> Replayed:
    """Derive a bundle again from the ledger's rows, and say where the two part.

    Args:
        bundle: What was stored.
        record: The same title as read from the ledger now; rows that came later are left out
            by the bundle's own `as_of`.
        code_id: What names the code that replays.
    """
    verdict = decide_title(record, GateRule(**bundle["rule"]))
    derived = _round_trip(make_bundle(record, verdict, code_id=code_id))
    then = _flatten(bundle["rows"])
    now = _flatten(derived["rows"])
    return Replayed(
        changed=tuple(key for key in then if key in now and then[key] != now[key]),
        missing=tuple(key for key in then if key not in now),
        added=tuple(key for key in now if key not in then),
        differences=tuple(
            part for part in bundle if part != "rows" and bundle[part] != derived.get(part)
        ),
    )


def _write_title(record: TitleRecord) -> dict[str, Any]:
    return {
        "symbol": record.symbol,
        "horizon": record.horizon,
        "as_of": record.as_of.isoformat(),
        "champion": record.champion,
        "terms": [[term.held_from.isoformat(), term.model_version] for term in record.terms],
        "crowned_at": record.crowned_at.isoformat(),
        "roster": list(record.roster),
        "baselines": sorted(record.baselines),
        "entrants": dict(sorted(record.entrants.items())),
    }


def _sum_block_losses(record: TitleRecord, rule: GateRule) -> dict[str, Any]:
    """Give per rival and bet: its start, what was saved, what the champion paid, and the scale."""
    found = {}
    for name, side in sorted(lay_out_sides(record, rule).rivals.items()):
        pair = pair_streams(
            side.champion,
            side.fresh,
            horizon=record.horizon,
            stake=rule.stake,
            known_at=to_datetime64(record.as_of),
        )
        found[name] = {
            "start": [str(instant) for instant in pair.block_start],
            "saved": pair.blocks.saved.tolist(),
            "cost": pair.blocks.cost.tolist(),
            "scale": pair.blocks.scale.tolist(),
        }
    return found


def _round_trip(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(values))
    return found


def _flatten(rows: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {key: value for of_one in rows.values() for key, value in of_one.items()}
