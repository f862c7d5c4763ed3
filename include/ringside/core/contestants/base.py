"""What a contestant is: something that fits on past rows and forecasts quantiles."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ringside.core.candles import Floats, Times
from ringside.errors import ModelRefusedError

PARAMS_FILE = "params.json"

P = TypeVar("P", bound="Params")


@dataclass(frozen=True)
class Sample:
    """Rows to fit on, oldest first.

    `open_time` (n,) is the candle of each row; `features` (n, k) has the columns `names`, NaN only
    in those of auxiliary series; `sigma` (n,) is the hourly volatility known at each row; `target`
    (n,) is the log return over the next `horizon` candles.
    """

    open_time: Times
    features: Floats
    names: tuple[str, ...]
    sigma: Floats
    target: Floats
    horizon: int

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: NDArray[np.intp]) -> "Sample":
        """Keep the named rows, in the order given."""
        return replace(
            self,
            open_time=self.open_time[rows],
            features=self.features[rows],
            sigma=self.sigma[rows],
            target=self.target[rows],
        )


@dataclass(frozen=True)
class Params:
    """Hyper-parameters of a contestant: plain numbers. This one is for those that have none."""


class Contestant(ABC):
    """One way to forecast. Adding one is one module and one line in `CONTESTANTS`."""

    name: ClassVar[str]
    is_baseline: ClassVar[bool]
    params_grid: ClassVar[tuple[Params, ...]] = (Params(),)
    """What `tuning.choose_params` chooses from; the first is the default."""

    def __init__(self, params: Params | None = None) -> None:
        self.params = self.params_grid[0] if params is None else params

    @abstractmethod
    def fit(self, sample: Sample, *, seed: int) -> None:
        """Learn from the rows; the same rows and seed give the same model."""

    @abstractmethod
    def forecast(self, features: Floats, sigma: Floats) -> Floats:
        """Forecast log-return quantiles at `LEVELS`, shape (n, 5), ascending in each row."""

    @abstractmethod
    def save(self) -> dict[str, bytes]:
        """Give the fitted state as file contents by file name; never a pickle."""

    @classmethod
    @abstractmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """Rebuild the contestant from what `save` gave.

        Raises:
            ModelRefusedError: The files are not this contestant's.
        """


def write_params(params: Params) -> bytes:
    """Write hyper-parameters as JSON."""
    return json.dumps(asdict(params), indent=1).encode()


def read_params(files: Mapping[str, bytes], kind: type[P]) -> P:
    """Read hyper-parameters back.

    Raises:
        ModelRefusedError: The file is missing or holds other names.
    """
    try:
        return kind(**json.loads(files[PARAMS_FILE]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRefusedError(f"{PARAMS_FILE} is missing or no {kind.__name__}") from error
