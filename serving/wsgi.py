"""What Gunicorn imports: settings built once, the process, and the app around it."""

import logging
import os
import sys

from ringside.settings import Settings

logging.basicConfig(
    level=logging.INFO, format="[%(asctime)s] [%(process)d] [%(levelname)s] %(name)s: %(message)s"
)
logging.getLogger("httpx").setLevel(logging.WARNING)

THREADS = 4

settings = Settings()  # type: ignore[call-arg] # the database's address comes from the environment
# where the workers share their counts; the library reads it once, when it is imported
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.metrics_dir.absolute())

from forecast_api import create_app  # noqa: E402 - see above
from forecast_api.process import ServingProcess  # noqa: E402 - see above
from forecast_api.telemetry import write_access_lines  # noqa: E402 - see above

write_access_lines(to=sys.stdout.fileno())

process = ServingProcess(settings, threads=THREADS)
app = create_app(process.get_desk, settings.series)
