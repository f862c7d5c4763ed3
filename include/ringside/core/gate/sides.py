"""Who stands against whom: the streams of one title that a verdict holds against each other.

Other recipes meet the title as its recipe has served it, through all of its versions; a newer
version of the champion's own recipe meets the version that serves now.
"""

from dataclasses import dataclass

import numpy as np

from ringside.core.candles import to_datetime64
from ringside.core.gate.policies import HeldSpan, follow_title
from ringside.core.gate.rules import GateRule
from ringside.core.gate.streams import (
    Stream,
    TitleRecord,
    select_fresh,
    select_span,
    select_version,
)


@dataclass(frozen=True)
class Side:
    """What one rival is compared on: the champion's rows, its own fresh ones, and all of its."""

    champion: Stream
    fresh: Stream
    rows: Stream


@dataclass(frozen=True)
class Sides:
    """The streams of a title; `fresh` holds those of all recipes over the time of the evidence."""

    rivals: dict[str, Side]
    fresh: dict[str, Stream]


def lay_out_sides(record: TitleRecord, rule: GateRule) -> Sides:
    """Cut a record to what each rival is compared on; a recipe without rows is left out."""
    known = record.select_known(rule)
    known_at = to_datetime64(record.as_of)
    start = record.find_start(rule)
    rows = {name: select_span(found, start, known_at) for name, found in known.items()}
    rows = {name: found for name, found in rows.items() if len(found)}
    fresh = {name: select_fresh(found) for name, found in rows.items()}
    own = known.get(record.champion, _NOBODY)
    served = [
        HeldSpan(to_datetime64(term.held_from), record.champion, term.model_version)
        for term in record.terms
    ]
    title = select_span(follow_title({record.champion: own}, served), start, known_at)
    rivals = {name: Side(title, fresh[name], rows[name]) for name in rows}
    own = select_span(own, record.find_own_start(rule), known_at)
    if len(own):
        mine = select_version(own, record.champion_version)
        rivals[record.champion] = Side(mine, select_fresh(own), own)
    return Sides(rivals, fresh)


_NOBODY = Stream(
    as_of=np.array([], "datetime64[s]"),
    target_time=np.array([], "datetime64[s]"),
    model_version=np.array([], np.int64),
    is_live=np.array([], bool),
    sigma=np.array([]),
    quantiles=np.empty((0, 5)),
    realised=np.array([]),
)
