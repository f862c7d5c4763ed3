"""What is run: the command, the variables and the manner of ending of each process."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ringside_embedded.choices import Choices
from ringside_embedded.credentials import Credentials
from ringside_embedded.environments import IMPORT_ROOTS
from ringside_embedded.layout import Layout
from ringside_embedded.postgres import PostgresServer

ADMIN = "admin"
_DATABASES = ("airflow", "mlflow", "ringside")


@dataclass(frozen=True)
class Platform:
    """Everything that is settled before the first process starts."""

    layout: Layout
    choices: Choices
    credentials: Credentials

    @property
    def postgres(self) -> PostgresServer:
        """The server of all three databases."""
        return PostgresServer(
            self.layout.postgres_data,
            self.choices.ports["postgres"],
            self.credentials.postgres_password,
        )

    @property
    def database_passwords(self) -> dict[str, str]:
        """The password of each database's own role; role and database share a name."""
        return {name: getattr(self.credentials, f"{name}_db_password") for name in _DATABASES}

    def database_url(self, name: str, driver: str) -> str:
        """Give the SQLAlchemy URL of a database for its own role."""
        password = self.database_passwords[name]
        return f"postgresql+{driver}://{name}:{password}@127.0.0.1:{self.postgres.port}/{name}"

    @property
    def ringside_variables(self) -> dict[str, str]:
        """The `RINGSIDE_*` variables of every part that reads `Settings`."""
        return {
            **self.choices.variables,
            "RINGSIDE_DATABASE_URL": self.database_url("ringside", "psycopg"),
            "RINGSIDE_MLFLOW_URL": self.choices.url("mlflow"),
            "RINGSIDE_SERVING_URL": self.choices.url("serving"),
            "RINGSIDE_STATE_DIR": str(self.layout.state),
        }

    @property
    def airflow_variables(self) -> dict[str, str]:
        """Airflow's settings; the reasons for the odd ones stand beside them."""
        root, home, url = self.layout.root, self.layout.airflow_home, self.choices.url("airflow")
        settings = {
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "4",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_FOLDER": str(root / "dags"),
            "CORE__PLUGINS_FOLDER": str(root / "plugins"),
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__TEST_CONNECTION": "Enabled",
            "CORE__FERNET_KEY": self.credentials.airflow_fernet_key,
            "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
            "DATABASE__SQL_ALCHEMY_CONN": self.database_url("airflow", "psycopg2"),
            "API__HOST": "127.0.0.1",
            "API__PORT": str(self.choices.ports["airflow"]),
            "API__BASE_URL": url,
            "API__WORKERS": "1",
            "API__SECRET_KEY": self.credentials.airflow_api_secret,
            "API_AUTH__JWT_SECRET": self.credentials.airflow_jwt_secret,
            "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            # The default of a second makes each task of a chain wait a second.
            "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            # The first answer of the execution API may take longer than the default of 5 s.
            "WORKERS__EXECUTION_API_TIMEOUT": "30",
        }
        named = {f"AIRFLOW__{name}": value for name, value in settings.items()}
        return {"AIRFLOW_HOME": str(home), **named, **self.choices.passed_on}

    @property
    def mlflow_variables(self) -> dict[str, str]:
        """MLflow's settings; its database's password must not show in the process list."""
        return {
            "MLFLOW_BACKEND_STORE_URI": self.database_url("mlflow", "psycopg2"),
            "MLFLOW_ARTIFACTS_DESTINATION": str(self.layout.mlflow_artifacts),
            **self.choices.passed_on,
        }

    def write_airflow_logins(self) -> str:
        """Give the content of Airflow's file of logins."""
        return json.dumps({ADMIN: self.credentials.airflow_admin_password}) + "\n"


@dataclass(frozen=True)
class Program:
    """One supervised process."""

    name: str
    command: list[str]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    stop_signal: str = "TERM"
    stop_wait_s: int = 20


START_ORDER = ("postgres", "mlflow", "api-server", "dag-processor", "scheduler", "serving")
# Those of one set end at the same time; running tasks still reach the API server and the database.
STOP_ORDER = ({"scheduler", "serving"}, {"dag-processor", "api-server", "mlflow"}, {"postgres"})


def list_programs(platform: Platform) -> list[Program]:
    """Describe every process, in the order of starting."""
    layout, ports = platform.layout, platform.choices.ports
    airflow = layout.platform_program("airflow")
    airflow_variables = {**platform.airflow_variables, **platform.ringside_variables}
    mlflow = [layout.platform_program("mlflow"), "server", "--host", "127.0.0.1", "--port"]
    mlflow += [str(ports["mlflow"]), "--workers", "1", "--serve-artifacts"]
    mlflow += ["--allowed-hosts", "localhost:*,127.0.0.1:*"]
    return [
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
        Program("postgres", platform.postgres.command(), stop_signal="INT", stop_wait_s=60),
        Program("mlflow", mlflow, platform.mlflow_variables),
        # It says at once that it has finished, and then often hangs until it is killed.
        Program("api-server", [airflow, "api-server"], airflow_variables, stop_wait_s=6),
        Program("dag-processor", [airflow, "dag-processor"], airflow_variables),
        # Its log server would listen on all interfaces; the API reads the shared folder itself.
        Program("scheduler", [airflow, "scheduler", "--skip-serve-logs"], airflow_variables),
        _describe_serving(platform),
    ]


def _describe_serving(platform: Platform) -> Program:
    layout = platform.layout
    folder = layout.root / "serving"
    command = [layout.serving_program("gunicorn"), "-c", str(folder / "gunicorn.conf.py")]
    variables = {
        **platform.ringside_variables,
        "RINGSIDE_RELOAD_TOKEN": platform.credentials.reload_token,
        "RINGSIDE_SERVING_BIND": f"127.0.0.1:{platform.choices.ports['serving']}",
        "RINGSIDE_SERVING_WORKERS": platform.choices.variables.get("RINGSIDE_SERVING_WORKERS", "2"),
        "PYTHONPATH": os.pathsep.join(str(layout.root / name) for name in ("include", "serving")),
    }
    return Program("serving", [*command, "wsgi:app"], variables, folder)


def make_base_environment(layout: Layout) -> dict[str, str]:
    """Give the environment that all processes share: the caller's, without what would mislead."""
    mislead = (
        "AIRFLOW",
        "MLFLOW",
        "RINGSIDE_",
        "SUPERVISOR",
        "VIRTUAL_ENV",
        "UV_",
        "MAKE",
        "MFLAGS",
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(mislead)}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME"):
        kept.pop(name, None)
    platform_bin = str(layout.environments / "platform" / "bin")
    return {
        **kept,
        "PATH": os.pathsep.join([platform_bin, kept.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(str(layout.root / name) for name in IMPORT_ROOTS),
        "PYTHONUNBUFFERED": "1",
        # With idle threads spinning, two fits at once take ten times as long.
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": "1",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Seven more processes and 450 MB, for nothing that is used here.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
