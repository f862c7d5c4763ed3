"""What Ringside adds to Airflow's own pages: each audit, linked from the task that made it."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from ringside_airflow.audit_links import AuditLink, make_audit_app


class RingsidePlugin(AirflowPlugin):
    """Registers the page of each audit and the link to it."""

    name = "ringside"
    fastapi_apps: ClassVar[list[Any]] = [
        {"app": make_audit_app(), "url_prefix": "/ringside/audits", "name": "Ringside audits"}
    ]
    global_operator_extra_links: ClassVar[list[Any]] = [AuditLink()]
