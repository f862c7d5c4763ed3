"""A verdict of the gate in plain sentences, English and Korean: who, on what evidence, why."""

from collections.abc import Callable
from datetime import datetime

from ringside.core.gate.texts_ko import render_korean
from ringside.core.gate.verdict import Finding, GateVerdict, Guard, Outcome, State

_HEADLINES: dict[Outcome, str] = {
    "promote_challenger": "the title changes hands, from {champion} to {rival}.",
    "keep_champion": "{champion} keeps the title.",
    "refresh_champion": "{champion} hands over to a newer version of itself, {rival}.",
    "fall_back_to_baseline": "back to a baseline, from {champion} to {rival}.",
    "ask_human": "a person must decide between the champion {champion} and {rival}.",
}


def render_verdict(verdict: GateVerdict) -> tuple[str, str]:
    """Tell a verdict in English and in Korean, the deciding rival first."""
    return render_english(verdict), render_korean(verdict)


def render_english(verdict: GateVerdict) -> str:
    """Tell a verdict in English."""
    ahead = "1 hour" if verdict.horizon == 1 else f"{verdict.horizon} hours"
    champion = f"{verdict.champion} (version {verdict.champion_version})"
    finding = verdict.deciding
    rival = finding.rival if finding else ""
    if finding and finding.mover_version is not None:
        rival = f"{rival} (version {finding.mover_version})"
    headline = _HEADLINES[verdict.outcome].format(champion=champion, rival=rival)
    sentences = [f"{verdict.symbol}, {ahead} ahead: {headline}"]
    if finding is None:
        sentences.append("No other forecast of this title has been scored yet.")
    else:
        sentences += [_WRITERS[finding.state](verdict, finding), _describe_hours(finding)]
    sentences += [_sum_up(other) for other in verdict.findings[1:]]
    return " ".join(filter(None, sentences))


def _write_proven(verdict: GateVerdict, finding: Finding) -> str:
    times = f"{finding.threshold:.0f}"
    return (
        f"A gambler betting 1 on {finding.rival} has come to {_number(finding.best_evidence)}. "
        f"If it were no better, {times} is reached at most once in {times} reigns."
    )


def _write_contested(verdict: GateVerdict, finding: Finding) -> str:
    worse = next(guard for guard in finding.guards if guard.name == "G2").value or 0.0
    return (
        f"{_write_proven(verdict, finding)} But without the weights of the stake its loss is "
        f"{worse - 1:.1%} higher than the champion's (guard G2); the two losses disagree."
    )


def _write_blocked(verdict: GateVerdict, finding: Finding) -> str:
    broken = [_name_guard(guard) for guard in finding.guards if not guard.holds]
    if finding.best_evidence >= finding.threshold:
        reached = f"Evidence {_number(finding.best_evidence)} of {finding.threshold:.0f} is there"
    else:
        reached = "A refresh is due"
    return f"{reached}, but {'; '.join(broken)}."


def _write_refresh(verdict: GateVerdict, finding: Finding) -> str:
    days = (verdict.as_of - verdict.held_from).days
    return (
        f"Not shown better; shown not to be more than {verdict.rule.margin_frac:.0%} worse "
        f"(evidence {_number(finding.evidence_not_worse or 0.0)} of {verdict.rule.threshold:.0f}); "
        f"the champion has served {days} days."
    )


def _write_worse(verdict: GateVerdict, finding: Finding) -> str:
    return (
        f"Evidence for the champion against {finding.rival}: {_number(finding.evidence_against)}."
    )


def _write_tie(verdict: GateVerdict, finding: Finding) -> str:
    return (
        f"Indistinguishable: {finding.rival} and the champion differ by {finding.distance:.2f} "
        "sigma, less than any test can separate within a year. A refresh is possible from "
        f"{verdict.refresh_from:%Y-%m-%d}."
    )


def _write_open(verdict: GateVerdict, finding: Finding) -> str:
    pace = ""
    if finding.weeks_more is not None:
        weeks = max(round(finding.weeks_more), 1)
        pace = f" At this pace about {weeks} more week{'s' if weeks > 1 else ''}."
    return (
        f"No proof yet for {finding.rival}. Evidence {_number(finding.evidence)} of "
        f"{finding.threshold:.0f} (a week ago {_number(finding.evidence_a_week_ago)}).{pace}"
    )


def _write_too_few(verdict: GateVerdict, finding: Finding) -> str:
    return f"Too early to bet on {finding.rival}: a bet takes whole days that both have forecast."


_WRITERS: dict[State, Callable[[GateVerdict, Finding], str]] = {
    "proven": _write_proven,
    "contested": _write_contested,
    "blocked": _write_blocked,
    "refresh": _write_refresh,
    "worse": _write_worse,
    "tie": _write_tie,
    "open": _write_open,
    "too_few_hours": _write_too_few,
}


def _describe_hours(finding: Finding) -> str:
    """Say on which hours, by how much, and what the old rule would have done."""
    if finding.gain_frac is None:
        return "They share no scored hour yet."
    plural = "" if finding.old_rule_swaps == 1 else "s"
    return (
        f"Over {finding.shared_hours:,} shared hours ({_span(finding)}; {_origin(finding)}) "
        f"{finding.rival} is {_gain(finding)}{_range(finding)}. "
        f"The old rule, lower loss last week, would have swapped {finding.old_rule_swaps} "
        f"time{plural}."
    )


def _sum_up(finding: Finding) -> str:
    if finding.gain_frac is None:
        return f"{finding.rival}: no shared hour yet."
    return (
        f"{finding.rival}: {_gain(finding)} on {finding.shared_hours:,} hours, evidence "
        f"{_number(finding.evidence)} of {finding.threshold:.0f}."
    )


def _name_guard(guard: Guard) -> str:
    value = 0.0 if guard.value is None else guard.value
    texts = {
        "G1": f"no version has a shadow record without loss of {guard.limit:.0f} days "
        f"(the longest: {value:.0f})",
        "G2": f"without the weights of the stake its loss is {value - 1:.1%} higher",
        "G3": f"it does worse than a baseline ({value:.4g} against {guard.limit:g})",
        "G4": f"its forecasts are incomplete or absurd ({value:.2f} against {guard.limit:.2f})",
        "G6": f"it is not proven better than each baseline (evidence {_number(value)} of "
        f"{guard.limit:.0f})",
    }
    return f"guard {guard.name} objects: {texts[guard.name]}"


def _gain(finding: Finding) -> str:
    gain = finding.gain_frac or 0.0
    return f"{abs(gain):.1%} {'better' if gain >= 0 else 'worse'}"


def _range(finding: Finding) -> str:
    if finding.gain_low is None and finding.gain_high is None:
        return ""
    if finding.gain_high is None:
        return f", plausibly {finding.gain_low:+.1%} or more"
    if finding.gain_low is None:
        return f", plausibly {finding.gain_high:+.1%} or less"
    return f", plausibly {finding.gain_low:+.1%} to {finding.gain_high:+.1%}"


def _origin(finding: Finding) -> str:
    if finding.live_hours == 0:
        return "all replayed in as-of order"
    if finding.live_hours == finding.shared_hours:
        return "all issued live"
    return f"{finding.live_hours:,} issued live, the others replayed in as-of order"


def _span(finding: Finding) -> str:
    days = [
        datetime.fromisoformat(instant).date().isoformat()
        for instant in (finding.first_as_of, finding.last_as_of)
        if instant is not None
    ]
    return f"{' to '.join(dict.fromkeys(days))} UTC"


def _number(evidence: float) -> str:
    """Two digits where they tell something, thousands where they do not.

    Examples:
        >>> [_number(value) for value in (0.004, 3.44, 23.4, 2.1e9)]
        ['0.0', '3.4', '23', 'over a million']
    """
    if evidence >= 1e6:
        return "over a million"
    return f"{evidence:.1f}" if evidence < 10 else f"{evidence:,.0f}"
