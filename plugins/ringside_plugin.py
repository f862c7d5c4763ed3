"""What Ringside adds to Airflow's own pages: audits and dockets, linked from their tasks."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from ringside_airflow.audit_links import AuditLink, make_audit_app
from ringside_airflow.docket_links import DocketLink, make_docket_app


class RingsidePlugin(AirflowPlugin):
    """Registers the pages of audits and dockets, and the links to them."""

    name = "ringside"
    fastapi_apps: ClassVar[list[Any]] = [
        {"app": make_audit_app(), "url_prefix": "/ringside/audits", "name": "Ringside audits"},
        {"app": make_docket_app(), "url_prefix": "/ringside/dockets", "name": "Ringside dockets"},
    ]
    global_operator_extra_links: ClassVar[list[Any]] = [AuditLink(), DocketLink()]
