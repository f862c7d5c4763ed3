"""Asks whether a part is well; the exit status is the answer, as Docker's health checks want it.

`python3 -m ringside_containers.healthy URL...`: all answer 200. With `part@URL`, Airflow's health
page at URL must call that part healthy.
"""

import http.client
import json
import sys
import urllib.request

_TIMEOUT_S = 20


def is_healthy(target: str) -> bool:
    """Ask one target; an answer that does not come or is not understood is a no."""
    part, at, url = target.rpartition("@")
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - our own URL
            content = answer.read()
        return not at or json.loads(content)[part]["status"] == "healthy"
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False


if __name__ == "__main__":
    sys.exit(0 if all(map(is_healthy, sys.argv[1:])) else 1)
