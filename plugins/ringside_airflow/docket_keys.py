"""How a task names the dockets of its verdicts to the link in Airflow."""

from collections.abc import Iterable
from urllib.parse import urlencode

DOCKETS_KEY = "dockets"
"""Key of the XCom that holds the address of a decision's dockets below the API server."""


def name_dockets(dockets: Iterable[tuple[int, str]]) -> str:
    """Give the address of the page that lists dockets, from verdict ids and file names.

    Examples:
        >>> name_dockets([(3, "BTCUSDT.h1.00ff.json.gz")])
        '/ringside/dockets/?docket=3%3ABTCUSDT.h1.00ff.json.gz'
    """
    return f"/ringside/dockets/?{urlencode([('docket', f'{key}:{name}') for key, name in dockets])}"
