"""How a band of five quantiles is kept as a file."""

import json
from collections.abc import Mapping

import numpy as np

from ringside.core.candles import Floats
from ringside.core.quantiles import LEVELS
from ringside.errors import ModelRefusedError

BAND_FILE = "band.json"


def write_band(band: Floats) -> bytes:
    """Write quantiles of shape (5,) as JSON; the numbers survive to the last bit."""
    return json.dumps({"levels": LEVELS, "band": band.tolist()}, indent=1).encode()


def read_band(files: Mapping[str, bytes]) -> Floats:
    """Read the band back, shape (5,).

    Raises:
        ModelRefusedError: The file is missing or holds no five ascending finite numbers.
    """
    try:
        content = json.loads(files[BAND_FILE])
        band: Floats = np.asarray(content["band"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRefusedError(f"{BAND_FILE} is missing or no band: {error}") from error
    ascending = band.shape == (len(LEVELS),) and bool(np.all(np.diff(band) >= 0))
    if not ascending or not np.isfinite(band).all():
        raise ModelRefusedError(f"{BAND_FILE} holds no {len(LEVELS)} ascending finite numbers")
    return band
