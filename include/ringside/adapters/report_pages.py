"""Renders the pages of a report from the templates of the package; texts are escaped by Jinja."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ringside.core.charts.canvas import Caption, Drawing
from ringside.core.reports import find_against
from ringside.core.scorecards import Against
from ringside.core.words import Words

LANGUAGES = ("en", "ko")
"""The first is that of `index.html`."""

NOTHING, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


@dataclass(frozen=True)
class SavedChart:
    """The files of a chart beside its page, and its size in pixels."""

    light: str
    dark: str
    width: int
    height: int

    @classmethod
    def of(cls, drawing: Drawing) -> "SavedChart":
        """Name the files of a drawing that has a figure."""
        if drawing.figure is None:
            raise ValueError(f"{drawing.name} has no chart")
        width, height = (round(96 * size) for size in drawing.figure.get_size_inches())
        return cls(f"{drawing.name}.svg", f"{drawing.name}.dark.svg", width, height)


def render_page(template: str, language: str, caption: Caption, **facts: object) -> str:
    """Render one page in one language; it names only files of its own report."""
    return (
        _load()
        .get_template(template)
        .render(
            language=language,
            caption=caption,
            say=partial(say, language),
            told=partial(tell, language),
            **facts,
        )
    )


def say(language: str, english: str, korean: str) -> str:
    """Choose a sentence of a template by language."""
    return korean if language == "ko" else english


def tell(language: str, words: Words) -> str:
    """Choose a sentence by language."""
    return words.ko if language == "ko" else words.en


def format_share(value: float | None, digits: int = 1) -> str:
    """Write a share in percent.

    Examples:
        >>> format_share(0.8999)
        '90.0 %'
    """
    return NOTHING if value is None else f"{100 * value:.{digits}f} %"


def format_change(value: float | None) -> str:
    """Write a share in percent with its sign; a minus is one, not a hyphen.

    Examples:
        >>> format_change(0.05)
        '+5.0 %'
    """
    return NOTHING if value is None else f"{100 * value:+.1f} %".replace("-", MINUS)


def format_skill(against: Against | None) -> str:
    """Write a skill and, where there is one, its interval.

    Examples:
        >>> format_skill(Against(0.02, 0.01, 0.03, 500))
        '+2.0 % (+1.0 … +3.0)'
    """
    if against is None:
        return NOTHING
    text = format_change(against.skill)
    if against.low is None or against.high is None:
        return text
    ends = f"({100 * against.low:+.1f} … {100 * against.high:+.1f})".replace("-", MINUS)
    return f"{text} {ends}"


def format_instant(instant: datetime) -> str:
    """Write an instant of the market.

    Examples:
        >>> from datetime import UTC
        >>> format_instant(datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
        '2026-01-02 03:04 UTC'
    """
    return f"{instant:%Y-%m-%d %H:%M} UTC"


@cache
def _load() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": format_share,
        "change": format_change,
        "skill": format_skill,
        "instant": format_instant,
    }
    environment.globals |= {"against": find_against}
    return environment
