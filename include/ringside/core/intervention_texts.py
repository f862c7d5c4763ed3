"""What a person asked of a title, and what came of it, in English and Korean."""

from collections.abc import Mapping
from datetime import datetime

from ringside.core.verdicts import Action, Intervention, Reign

_ASKED_EN: Mapping[Action, str] = {
    "force": "{who} gives the title to {rival}, whatever the evidence: {why}",
    "hold": "{who} holds the title where it is in this run: {why}",
    "freeze": "{who} freezes the title until it is unfrozen: {why}",
    "unfreeze": "{who} unfreezes the title: {why}",
}
_ASKED_KO: Mapping[Action, str] = {
    "force": "{who} 사용자가 증거와 관계없이 {rival} 모델을 챔피언으로 정했습니다. 사유: {why}",
    "hold": "{who} 사용자가 이번 실행에서는 챔피언을 그대로 두기로 했습니다. 사유: {why}",
    "freeze": "{who} 사용자가 해제할 때까지 챔피언 교체를 중지했습니다. 사유: {why}",
    "unfreeze": "{who} 사용자가 챔피언 교체 중지를 해제했습니다. 사유: {why}",
}


def render_intervention(
    asked: Intervention, rival: str, gate_texts: tuple[str, str]
) -> tuple[str, str]:
    """Tell what was asked, then what the gate found on its own.

    Args:
        asked: Who asked for what, and why.
        rival: Who gets the title by `force`, version included.
        gate_texts: The gate's verdict in English and Korean.
    """
    words = {"who": asked.asked_by, "rival": rival, "why": _end(asked.reason)}
    english = _ASKED_EN[asked.action].format(**words)
    korean = _ASKED_KO[asked.action].format(**words)
    return (
        f"{english} The gate's own finding: {gate_texts[0]}",
        f"{korean} 자동 판정 결과: {gate_texts[1]}",
    )


def render_frozen(
    who: str, why: str, since: datetime, gate_texts: tuple[str, str]
) -> tuple[str, str]:
    """Tell that a title is frozen, then what the gate found."""
    return (
        f"The title is frozen since {since:%Y-%m-%d %H:%M} UTC by {who}: {_end(why)} "
        f"The gate's own finding: {gate_texts[0]}",
        f"{since:%Y-%m-%d %H:%M} UTC부터 {who} 사용자의 요청으로 챔피언 교체가 중지되어 있습니다. "
        f"사유: {_end(why)} 자동 판정 결과: {gate_texts[1]}",
    )


def render_roll_back(now: Reign, back: Reign, who: str, why: str) -> tuple[str, str]:
    """Tell that a title goes back by one step, and why."""
    ahead = "1 hour" if now.horizon == 1 else f"{now.horizon} hours"
    return (
        f"{now.symbol}, {ahead} ahead: the title goes back one step, from {now.contestant} "
        f"(version {now.model_version}) to {back.contestant} (version {back.model_version}). "
        f"Asked by {who}: {_end(why)}",
        f"{now.symbol} {now.horizon}시간 뒤 예측: 챔피언을 {now.contestant}(버전 "
        f"{now.model_version}) 모델에서 이전 챔피언인 {back.contestant}(버전 {back.model_version}) "
        f"모델로 되돌립니다. 요청: {who}. 사유: {_end(why)}",
    )


def render_spent_budget(lost: float, budget: float, hours: int, spent_at: str) -> tuple[str, str]:
    """Say that a new champion has spent its probation's budget."""
    return (
        f"on probation it lost {lost:.1f} hours' worth of loss more than the champion before it, "
        f"over {hours:,} live hours; {budget:g} are allowed, passed at {spent_at} UTC.",
        f"수습 기간의 실시간 예측 {hours:,}시간 동안 이전 챔피언보다 평균 손실 기준 "
        f"{lost:.1f}시간분을 더 잃어 허용치 {budget:g}시간분을 {spent_at} UTC에 넘었습니다.",
    )


def _end(text: str) -> str:
    """Close a person's words as a sentence.

    Examples:
        >>> _end(" it looks odd "), _end("Why not?")
        ('it looks odd.', 'Why not?')
    """
    words = text.strip()
    return words if words.endswith((".", "!", "?")) else f"{words}."
