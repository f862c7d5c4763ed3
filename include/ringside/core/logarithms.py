"""A natural logarithm whose last bit is the same on every processor.

numpy's own takes another way where the processor has wide registers, and rounds otherwise now and
then. A feature that trains a model on one machine is computed again by serving on another.
"""

import numpy as np

from ringside.core.candles import Floats

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_EVEN = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)
_ODD = (
    6.666666666666735130e-01, 2.857142874366239149e-01, 1.818357216161805012e-01,
    1.479819860511658591e-01,
)  # fmt: skip


def compute_log(values: Floats) -> Floats:
    """Compute natural logarithms, to less than one unit in the last place.

    Args:
        values: Any shape.

    Returns:
        Logarithms; NaN where a value is not finite or not above zero.

    Examples:
        >>> compute_log(np.array([1.0, 100.0, 0.0])).round(4).tolist()
        [0.0, 4.6052, nan]

    Source: the algorithm and numbers of `e_log.c` in fdlibm (Sun Microsystems, 1993).
    """
    fraction, exponent = np.frexp(np.where((values > 0) & (values < np.inf), values, np.nan))
    is_low = fraction < np.sqrt(0.5)
    far = np.where(is_low, 2 * fraction, fraction) - 1
    power = exponent - is_low.astype(np.float64)
    ratio = far / (2 + far)
    square = ratio * ratio
    fourth = square * square
    tail = square * _sum_powers(fourth, _ODD) + fourth * _sum_powers(fourth, _EVEN)
    half = 0.5 * far * far
    found: Floats = power * _LN2_HIGH - ((half - (ratio * (half + tail) + power * _LN2_LOW)) - far)
    return found


def _sum_powers(values: Floats, factors: tuple[float, ...]) -> Floats:
    total = np.full_like(values, factors[-1])
    for factor in factors[-2::-1]:
        total = factor + values * total
    return total
