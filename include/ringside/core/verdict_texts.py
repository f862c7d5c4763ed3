"""Verdicts in plain sentences, English and Korean: who, on which rows, by how much, why."""

from collections.abc import Mapping
from datetime import datetime

from ringside.core.verdicts import Finding, Outcome, Reason, Verdict

SMALLEST_SHOWN_P = 0.0001
_NOTHING_FRAC = 0.0005  # rounds to 0.0 %

_HEADLINES_EN: dict[Outcome, str] = {
    "promote_challenger": "the title changes hands. {rival} beats the champion {champion}.",
    "keep_champion": "{champion} keeps the title.",
    "fall_back_to_baseline": (
        "back to a baseline. {rival} is shown to be better than the champion {champion}."
    ),
    "ask_human": "a person must decide between the champion {champion} and {rival}.",
}
_HEADLINES_KO: dict[Outcome, str] = {
    "promote_challenger": (
        "챔피언이 바뀝니다. {rival} 모델이 기존 챔피언 {champion} 모델보다 정확했습니다."
    ),
    "keep_champion": "{champion} 모델이 챔피언 자리를 지킵니다.",
    "fall_back_to_baseline": (
        "기준 모델로 돌아갑니다. "
        "기준 모델인 {rival} 모델이 챔피언 {champion} 모델보다 나은 것으로 확인되었습니다."
    ),
    "ask_human": "챔피언 {champion} 모델과 {rival} 모델 중 하나를 사람이 선택해야 합니다.",
}
_REASONS_EN: dict[Reason, str] = {
    "proven": "That passes the rule ({rule}).",
    "borderline": "That is close, but it does not pass the rule ({rule}).",
    "unproven": "So small a difference may well be chance (the rule: {rule}).",
    "small_gain": "That is less than a change is worth (the rule: {rule}).",
    "worse": "So there is no reason for a change.",
    "too_few_hours": "A change needs at least {needed} shared hours, so it is too early to judge.",
}
_REASONS_KO: dict[Reason, str] = {
    "proven": "교체 기준({rule})을 충족합니다.",
    "borderline": "근소한 차이로 교체 기준({rule})에 미치지 못합니다.",
    "unproven": "이 정도 차이는 우연일 수 있습니다(교체 기준: {rule}).",
    "small_gain": "챔피언을 바꿀 만큼 큰 차이는 아닙니다(교체 기준: {rule}).",
    "worse": "따라서 챔피언을 바꿀 이유가 없습니다.",
    "too_few_hours": (
        "교체하려면 함께 예측한 시간이 {needed}시간 이상이어야 하므로 아직 판단하기 이릅니다."
    ),
}


def render_verdict(verdict: Verdict, versions: Mapping[str, int]) -> tuple[str, str]:
    """Tell a verdict in English and in Korean.

    Args:
        verdict: What was decided.
        versions: Registry version of each contestant; one without is named bare.
    """
    return _render_english(verdict, versions), _render_korean(verdict, versions)


def _render_english(verdict: Verdict, versions: Mapping[str, int]) -> str:
    rival = _name(verdict.challenger, versions, "version ")
    champion = _name(verdict.champion, versions, "version ")
    headline = _HEADLINES_EN[verdict.outcome].format(rival=rival, champion=champion)
    ahead = "1 hour" if verdict.horizon == 1 else f"{verdict.horizon} hours"
    sentences = [f"{verdict.symbol}, {ahead} ahead: {headline}"]
    finding = verdict.deciding
    if finding is None:
        sentences.append("No other contestant has a scored forecast and a registered model yet.")
    else:
        sentences += [_measure_english(finding, rival), _reason_english(verdict, finding)]
    sentences += [_other_english(finding) for finding in verdict.findings[1:]]
    return " ".join(sentences)


def _measure_english(finding: Finding, rival: str) -> str:
    """Say on which rows and by how much the rival was better or worse."""
    if finding.gain_frac is None:
        return f"{rival} and the champion share no scored hour yet."
    sentence = (
        f"On the {finding.shared_hours:,} {'hour' if finding.shared_hours == 1 else 'hours'} "
        f"that both forecast without knowing the outcome ({_span(finding)}; "
        f"{_origin_english(finding)}), the scaled pinball loss of "
        f"{rival} was {finding.rival_loss:.4f} against {finding.champion_loss:.4f}: "
        f"{_gain_english(finding)}"
    )
    return f"{sentence}."


def _origin_english(finding: Finding) -> str:
    if finding.live_hours == 0:
        return "all replayed in as-of order"
    if finding.live_hours == finding.shared_hours:
        return "all issued live"
    return f"{finding.live_hours:,} issued live, the others replayed in as-of order"


def _gain_english(finding: Finding) -> str:
    gain_frac = finding.gain_frac or 0.0
    if abs(gain_frac) < _NOTHING_FRAC:
        return "no difference"
    side = "lower" if gain_frac > 0 else "higher"
    return f"{abs(gain_frac):.1%} {side}{_p_value(finding, ', p {}', '< {}')}"


def _reason_english(verdict: Verdict, finding: Finding) -> str:
    rule = (
        f"at least {_percent(verdict.rule.min_gain_frac)} lower with p at most "
        f"{verdict.rule.max_p_value:g}, counting {_count_rivals(verdict)}"
    )
    needed = verdict.rule.find_hours_needed(verdict.horizon)
    return _REASONS_EN[finding.reason].format(rule=rule, needed=f"{needed:,}")


def _count_rivals(verdict: Verdict) -> str:
    return "1 rival" if len(verdict.findings) == 1 else f"{len(verdict.findings)} rivals"


def _other_english(finding: Finding) -> str:
    if finding.gain_frac is None:
        return f"{finding.rival}: no shared hour yet."
    return f"{finding.rival}: {_gain_english(finding)} on {finding.shared_hours:,} hours."


def _render_korean(verdict: Verdict, versions: Mapping[str, int]) -> str:
    rival = _name(verdict.challenger, versions, "버전 ", gap="")
    champion = _name(verdict.champion, versions, "버전 ", gap="")
    headline = _HEADLINES_KO[verdict.outcome].format(rival=rival, champion=champion)
    sentences = [f"{verdict.symbol} {verdict.horizon}시간 뒤 예측: {headline}"]
    finding = verdict.deciding
    if finding is None:
        sentences.append("채점된 예측과 등록된 모델을 모두 갖춘 경쟁 모델이 아직 없습니다.")
    else:
        sentences += [_measure_korean(finding, rival), _reason_korean(verdict, finding)]
    sentences += [_other_korean(finding) for finding in verdict.findings[1:]]
    return " ".join(sentences)


def _measure_korean(finding: Finding, rival: str) -> str:
    if finding.gain_frac is None:
        return f"{rival} 모델과 챔피언이 함께 예측하여 채점된 시간이 아직 없습니다."
    return (
        f"두 모델이 결과를 모르는 상태에서 함께 예측한 {finding.shared_hours:,}시간"
        f"({_span(finding)}, {_origin_korean(finding)})을 비교했습니다. "
        f"변동성으로 나눈 핀볼 손실은 {rival} 모델이 {finding.rival_loss:.4f}, "
        f"챔피언이 {finding.champion_loss:.4f}입니다. "
        f"즉 {_gain_korean(finding)}."
    )


def _origin_korean(finding: Finding) -> str:
    if finding.live_hours == 0:
        return "모두 과거 시점 재현"
    if finding.live_hours == finding.shared_hours:
        return "모두 실시간"
    return f"실시간 {finding.live_hours:,}시간, 나머지는 과거 시점 재현"


def _gain_korean(finding: Finding) -> str:
    gain_frac = finding.gain_frac or 0.0
    if abs(gain_frac) < _NOTHING_FRAC:
        return "손실에 차이가 없습니다"
    side = "낮습니다" if gain_frac > 0 else "높습니다"
    return f"손실이 {abs(gain_frac):.1%} {side}{_p_value(finding, '(p값 {})', '{} 미만')}"


def _reason_korean(verdict: Verdict, finding: Finding) -> str:
    rule = (
        f"손실 {_percent(verdict.rule.min_gain_frac)} 이상 감소, "
        f"p값 {verdict.rule.max_p_value:g} 이하, 경쟁 모델 {len(verdict.findings)}개 보정"
    )
    needed = verdict.rule.find_hours_needed(verdict.horizon)
    return _REASONS_KO[finding.reason].format(rule=rule, needed=f"{needed:,}")


def _other_korean(finding: Finding) -> str:
    if finding.gain_frac is None:
        return f"{finding.rival} 모델은 함께 예측한 시간이 아직 없습니다."
    return (
        f"{finding.rival} 모델은 {finding.shared_hours:,}시간 동안 챔피언보다 "
        f"{_gain_korean(finding)}."
    )


def _name(contestant: str | None, versions: Mapping[str, int], word: str, *, gap: str = " ") -> str:
    if contestant is None or contestant not in versions:
        return contestant or ""
    return f"{contestant}{gap}({word}{versions[contestant]})"


def _span(finding: Finding) -> str:
    """Name the days of the shared hours; the same in both languages."""
    days = [
        datetime.fromisoformat(instant).date().isoformat()
        for instant in (finding.first_as_of, finding.last_as_of)
        if instant is not None
    ]
    return f"{' ~ '.join(dict.fromkeys(days))} UTC"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:g}%"


def _p_value(finding: Finding, frame: str, below: str) -> str:
    """Show two digits inside `frame`; nothing where no p-value speaks for the rival."""
    if finding.p_value is None or finding.reason == "worse":
        return ""
    if finding.p_value < SMALLEST_SHOWN_P:
        return frame.format(below.format(f"{SMALLEST_SHOWN_P:.4f}"))
    return frame.format(f"{finding.p_value:.2g}")
