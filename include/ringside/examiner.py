"""What an examination runs, in the service's own image: `python -m ringside.examiner`.

The standard library's parser, since the service's environment carries no other. Exit codes are
those of `ringside`: 0 done, though challengers may be refused; 75 worth another try; 65 not.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import datetime

from pydantic import SecretStr, ValidationError

from ringside.errors import PermanentError, RetryableError, SettingsError
from ringside.jobs.examination import examine
from ringside.settings import Settings

EXIT_RETRYABLE = 75
EXIT_PERMANENT = 65

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Examine one series' new challengers; return the exit code."""
    parser = argparse.ArgumentParser(prog="ringside.examiner", description=examine.__doc__)
    parser.add_argument("--database-url-from-stdin", action="store_true")
    parser.add_argument("command", choices=["examine"])
    parser.add_argument("--series", required=True)
    parser.add_argument("--as-of", required=True, type=datetime.fromisoformat)
    asked = parser.parse_args(arguments)
    try:
        settings = _read_settings(from_stdin=asked.database_url_from_stdin)
        facts = examine(settings, asked.series, as_of=asked.as_of)
    except RetryableError as error:
        _log.error("%s: %s %s", type(error).__name__, error, error.facts)
        return EXIT_RETRYABLE
    except (PermanentError, ValidationError) as error:
        _log.error("%s: %s %s", type(error).__name__, error, getattr(error, "facts", ""))
        return EXIT_PERMANENT
    _log.info("examined passed=%d refused=%d", len(facts.passed), len(facts.refused))
    return 0


def _read_settings(*, from_stdin: bool) -> Settings:
    if not from_stdin:
        return Settings()
    url = sys.stdin.readline().strip()
    if not url:
        raise SettingsError("stdin ended before a database URL came")
    return Settings(database_url=SecretStr(url))


if __name__ == "__main__":
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stdout,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    sys.exit(main(sys.argv[1:]))
