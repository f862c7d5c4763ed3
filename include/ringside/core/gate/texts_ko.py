"""A verdict of the gate in Korean sentences; the English ones are in `texts`."""

from collections.abc import Callable
from datetime import datetime

from ringside.core.gate.verdict import Finding, GateVerdict, Guard, Outcome, State

_HEADLINES: dict[Outcome, str] = {
    "promote_challenger": "챔피언이 {champion} 모델에서 {rival} 모델로 바뀝니다.",
    "keep_champion": "{champion} 모델이 챔피언 자리를 지킵니다.",
    "refresh_champion": "챔피언 {champion} 모델을 같은 방식의 새 버전인 {rival} 모델로 교체합니다.",
    "fall_back_to_baseline": "{champion} 모델에서 기준 모델인 {rival} 모델로 돌아갑니다.",
    "ask_human": "챔피언 {champion} 모델과 {rival} 모델 중 하나를 사람이 선택해야 합니다.",
}


def render_korean(verdict: GateVerdict) -> str:
    """Tell a verdict in Korean."""
    champion = f"{verdict.champion}(버전 {verdict.champion_version})"
    finding = verdict.deciding
    rival = finding.rival if finding else ""
    if finding and finding.mover_version is not None:
        rival = f"{rival}(버전 {finding.mover_version})"
    headline = _HEADLINES[verdict.outcome].format(champion=champion, rival=rival)
    sentences = [f"{verdict.symbol} {verdict.horizon}시간 뒤 예측: {headline}"]
    if finding is None:
        sentences.append("이 타이틀에서 채점된 다른 모델의 예측이 아직 없습니다.")
    else:
        sentences += [_WRITERS[finding.state](verdict, finding), _describe_hours(finding)]
    sentences += [_sum_up(other) for other in verdict.findings[1:]]
    return " ".join(filter(None, sentences))


def _write_proven(verdict: GateVerdict, finding: Finding) -> str:
    times = f"{finding.threshold:.0f}"
    return (
        f"{finding.rival} 모델에 1을 걸기 시작한 사람의 돈이 {_number(finding.best_evidence)}까지 "
        f"늘었습니다. 이 모델이 더 낫지 않다면 {times}에 이르는 일은 챔피언 재임 {times}번에 "
        "많아야 한 번입니다."
    )


def _write_contested(verdict: GateVerdict, finding: Finding) -> str:
    worse = next(guard for guard in finding.guards if guard.name == "G2").value or 0.0
    return (
        f"{_write_proven(verdict, finding)} 그러나 변동성 가중을 빼고 계산한 손실은 챔피언보다 "
        f"{worse - 1:.1%} 높아(G2) 두 손실의 결론이 서로 다릅니다."
    )


def _write_blocked(verdict: GateVerdict, finding: Finding) -> str:
    broken = [_name_guard(guard) for guard in finding.guards if not guard.holds]
    if finding.best_evidence >= finding.threshold:
        reached = (
            f"증거는 기준 {finding.threshold:.0f}에 대해 {_number(finding.best_evidence)}까지 "
            "이르렀지만"
        )
    else:
        reached = "새 버전으로 교체할 때가 되었지만"
    return f"{reached} 안전 조건에 걸렸습니다: {', '.join(broken)}."


def _write_refresh(verdict: GateVerdict, finding: Finding) -> str:
    days = (verdict.as_of - verdict.held_from).days
    return (
        f"더 낫다고 확인되지는 않았지만, {verdict.rule.margin_frac:.0%} 넘게 나쁘지 않다는 점은 "
        f"확인되었습니다(증거 {_number(finding.evidence_not_worse or 0.0)}, "
        f"기준 {verdict.rule.threshold:.0f}). 현재 챔피언은 {days}일 동안 재임했습니다."
    )


def _write_worse(verdict: GateVerdict, finding: Finding) -> str:
    return (
        f"{finding.rival} 모델보다 챔피언이 낫다는 증거가 "
        f"{_number(finding.evidence_against)}입니다."
    )


def _write_tie(verdict: GateVerdict, finding: Finding) -> str:
    return (
        f"구별할 수 없습니다. {finding.rival} 모델과 챔피언의 차이는 시그마의 "
        f"{finding.distance:.2f}배로, 어떤 검정으로도 1년 안에 가릴 수 없습니다. "
        f"새 버전 교체는 {verdict.refresh_from:%Y-%m-%d}부터 가능합니다."
    )


def _write_open(verdict: GateVerdict, finding: Finding) -> str:
    pace = ""
    if finding.weeks_more is not None:
        pace = f" 이 속도라면 약 {max(round(finding.weeks_more), 1)}주가 더 걸립니다."
    return (
        f"{finding.rival} 모델이 낫다는 증거가 아직 부족합니다. 증거 "
        f"{_number(finding.evidence)}, 기준 {finding.threshold:.0f}"
        f"(일주일 전 {_number(finding.evidence_a_week_ago)}).{pace}"
    )


def _write_too_few(verdict: GateVerdict, finding: Finding) -> str:
    return (
        f"{finding.rival} 모델은 아직 판단하기 이릅니다. "
        "두 모델이 함께 예측한 온전한 날이 있어야 합니다."
    )


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
    if finding.gain_frac is None:
        return "함께 예측하여 채점된 시간이 아직 없습니다."
    return (
        f"함께 예측한 {finding.shared_hours:,}시간({_span(finding)}, {_origin(finding)}) 동안 "
        f"{finding.rival} 모델의 손실은 챔피언보다 {_gain(finding)}{_range(finding)}. "
        "지난주 손실이 낮은 쪽을 고르는 옛 규칙이라면 "
        f"{finding.old_rule_swaps}번 교체했을 것입니다."
    )


def _sum_up(finding: Finding) -> str:
    if finding.gain_frac is None:
        return f"{finding.rival} 모델은 함께 예측한 시간이 아직 없습니다."
    return (
        f"{finding.rival} 모델은 {finding.shared_hours:,}시간 동안 손실이 {_gain(finding)}"
        f"(증거 {_number(finding.evidence)}, 기준 {finding.threshold:.0f})."
    )


def _name_guard(guard: Guard) -> str:
    value = 0.0 if guard.value is None else guard.value
    texts = {
        "G1": f"손실 없는 예측 기록이 {guard.limit:.0f}일 이상인 버전이 없음"
        f"(가장 긴 기록 {value:.0f}일)",
        "G2": f"변동성 가중을 뺀 손실이 {value - 1:.1%} 높음",
        "G3": f"기준 모델보다 못함({value:.4g}, 한도 {guard.limit:g})",
        "G4": f"예측이 빠졌거나 크기가 비정상임({value:.2f}, 한도 {guard.limit:.2f})",
        "G6": f"모든 기준 모델보다 낫다는 증거가 부족함(증거 {_number(value)}, "
        f"기준 {guard.limit:.0f})",
    }
    return f"{guard.name} {texts[guard.name]}"


def _gain(finding: Finding) -> str:
    gain = finding.gain_frac or 0.0
    return f"{abs(gain):.1%} {'낮습니다' if gain >= 0 else '높습니다'}"


def _range(finding: Finding) -> str:
    """Give the plausible saving in brackets; a negative one is a loss."""
    if finding.gain_low is None and finding.gain_high is None:
        return ""
    low = "" if finding.gain_low is None else f"{finding.gain_low:+.1%} "
    high = "" if finding.gain_high is None else f" {finding.gain_high:+.1%}"
    return f"(절감률의 타당한 범위 {low}~{high})"


def _origin(finding: Finding) -> str:
    if finding.live_hours == 0:
        return "모두 과거 시점 재현"
    if finding.live_hours == finding.shared_hours:
        return "모두 실시간"
    return f"실시간 {finding.live_hours:,}시간, 나머지는 과거 시점 재현"


def _span(finding: Finding) -> str:
    days = [
        datetime.fromisoformat(instant).date().isoformat()
        for instant in (finding.first_as_of, finding.last_as_of)
        if instant is not None
    ]
    return f"{' ~ '.join(dict.fromkeys(days))} UTC"


def _number(evidence: float) -> str:
    if evidence >= 1e6:
        return "백만 이상"
    return f"{evidence:.1f}" if evidence < 10 else f"{evidence:,.0f}"
