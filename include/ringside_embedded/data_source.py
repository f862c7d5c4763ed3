"""Settles where candles come from, once for a state folder, and builds Ringside's settings."""

from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from ringside.adapters.sources import find_source
from ringside.errors import RingsideError
from ringside.settings import Settings
from ringside_embedded.failures import LaunchError
from ringside_embedded.programs import Platform

_PREFIX = "RINGSIDE_"


def make_settings(platform: Platform) -> Settings:
    """Build the settings from the variables that the platform's processes get, and no others.

    Raises:
        LaunchError: a variable has a value that does not fit.
    """
    given = {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in platform.ringside_variables.items()
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(
            f"{_PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise LaunchError(
            f"A setting is wrong. {faults}.", "Correct it; `.env.example` lists them all."
        ) from error


def settle_source(platform: Platform) -> tuple[Platform, str]:
    """Choose the source: the one named now or in an earlier run, else the first at hand.

    Returns:
        The platform with its source settled, and a sentence that says which and why.

    Raises:
        LaunchError: the source named is not at hand, or a file of it is damaged.
    """
    settings = make_settings(platform)
    variables = platform.choices.variables
    if f"{_PREFIX}SOURCE" in variables:
        _require_folder(settings)
        return platform, _describe(settings)
    try:
        found = find_source(settings.series, venue=settings.venue, folder=settings.source_path)
    except RingsideError as error:
        raise LaunchError(f"{error}.", "Or choose the source: SOURCE=simulated.") from error
    chosen = {**variables, f"{_PREFIX}SOURCE": found.kind}
    chosen.pop(f"{_PREFIX}SOURCE_PATH", None)
    if found.source_path is not None:
        chosen[f"{_PREFIX}SOURCE_PATH"] = str(found.source_path)
    return replace(platform, choices=replace(platform.choices, variables=chosen)), found.reason


def _require_folder(settings: Settings) -> None:
    if settings.source != "file":
        return
    folder = settings.source_path
    if folder is None:
        raise LaunchError("SOURCE=file needs the folder of the candles.", "Add DATA=that/folder.")
    if not folder.is_dir():
        raise LaunchError(f"DATA: there is no folder {folder}.", "Name the folder of the candles.")


def _describe(settings: Settings) -> str:
    words: dict[str, str | Path | None] = {
        "file": settings.source_path,
        "exchange": settings.venue,
        "simulated": f"seed {settings.simulation_seed}",
    }
    return f"{settings.source} ({words[settings.source]}), as chosen"
