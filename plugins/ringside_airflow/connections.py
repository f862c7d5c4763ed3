"""The settings of a task: the environment's, with the database of Airflow's own connection."""

from pydantic import SecretStr

from ringside.settings import Settings

DATABASE_CONNECTION = "ringside_db"
"""Id of the Airflow connection (type `postgres`) to Ringside's PostgreSQL."""


def task_settings() -> Settings:
    """Build the settings of the running task.

    The connection shows in Airflow's UI, can be tested there and is changed there; it wins over
    `RINGSIDE_DATABASE_URL`, which only processes outside Airflow read.
    """
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    url = PostgresHook(postgres_conn_id=DATABASE_CONNECTION).sqlalchemy_url
    psycopg_url = url.set(drivername="postgresql+psycopg")
    return Settings(database_url=SecretStr(psycopg_url.render_as_string(hide_password=False)))
