"""Decides one title on its record: the only place where evidence becomes an outcome."""

from ringside.core.gate.rules import GateRule
from ringside.core.gate.streams import TitleRecord
from ringside.core.gate.verdict import GateVerdict


def decide_title(record: TitleRecord, rule: GateRule) -> GateVerdict:
    """Decide who holds a title; a pure function of the rows known at `record.as_of`.

    A rival whose evidence reached its threshold takes the title unless a guard objects; a guard
    that only disagrees about the loss asks a person. Of several, the one with the largest gain.
    Else a version of the champion's own recipe that is shown not to be worse refreshes a reign of
    at least `refresh_days`. All else keeps the champion.
    """
    raise NotImplementedError
