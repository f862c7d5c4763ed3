"""The pace at which a venue may be asked, as it announces and counts it.

Binance announces a request weight per minute and counts, in the headers of every answer, what has
been used by everybody behind our address. Where a venue does neither, ccxt's own pace holds.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ccxt import Exchange

_USED = "x-mbx-used-weight-1m"
# The rest is for others behind the same address, and for requests that are under way.
_OUR_SHARE = 0.5
# What ccxt's own pace of Binance, in ms per unit of cost, was set for: weight per minute.
_PACED_FOR = 6_000


def obey_announced_limit(client: "Exchange") -> float | None:
    """Set the client to the weight per minute that the venue announced in its last answer.

    A venue that also counts the weight is asked without pauses, and `find_pause_s` says when to
    stop; one that only announces it is asked evenly.

    Returns:
        The weight per minute to watch; None where ccxt keeps the pace.
    """
    announced = client.last_json_response
    limits = announced.get("rateLimits") if isinstance(announced, Mapping) else None
    for limit in limits or ():
        if limit["rateLimitType"] == "REQUEST_WEIGHT" and limit["interval"] == "MINUTE":
            per_minute: float = limit["limit"] / limit["intervalNum"]
            is_counted = _USED in (client.last_response_headers or {})
            client.enableRateLimit = not is_counted
            usual = client.describe()["rateLimit"]
            client.rateLimit = max(usual, usual * _PACED_FOR / per_minute)
            return per_minute if is_counted else None
    return None


def find_pause_s(headers: Mapping[str, str], per_minute: float) -> float:
    """Find the seconds to wait before the next request: to the venue's next minute, or none.

    Args:
        headers: Of the last answer; their names in any case, as `requests` gives them.
        per_minute: The weight that the venue allows.
    """
    if float(headers.get(_USED, 0)) < _OUR_SHARE * per_minute:
        return 0.0
    return float(60 - parsedate_to_datetime(headers["Date"]).second)
