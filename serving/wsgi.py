"""What Gunicorn imports: settings built once, the process, and the app around it."""

import logging

from forecast_api import create_app
from forecast_api.process import ServingProcess
from ringside.settings import Settings

logging.basicConfig(
    level=logging.INFO, format="[%(asctime)s] [%(process)d] [%(levelname)s] %(name)s: %(message)s"
)
logging.getLogger("httpx").setLevel(logging.WARNING)

THREADS = 4

settings = Settings()  # type: ignore[call-arg] # the database's address comes from the environment
process = ServingProcess(settings, threads=THREADS)
app = create_app(process.get_desk)
