"""What Ringside adds to Airflow: a page in the navigation, and audits, dockets, reports by link."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from ringside_airflow.audit_links import AuditLink, make_audit_app
from ringside_airflow.docket_links import DocketLink, make_docket_app
from ringside_airflow.report_links import (
    NAVIGATION,
    ModelsLink,
    ReportLink,
    make_home_app,
    make_report_app,
)


class RingsidePlugin(AirflowPlugin):
    """Registers the pages, and the links to them."""

    name = "ringside"
    fastapi_apps: ClassVar[list[Any]] = [
        {"app": make_audit_app(), "url_prefix": "/ringside/audits", "name": "Ringside audits"},
        {"app": make_docket_app(), "url_prefix": "/ringside/dockets", "name": "Ringside dockets"},
        {"app": make_report_app(), "url_prefix": "/ringside/reports", "name": "Ringside reports"},
        {"app": make_home_app(), "url_prefix": "/ringside/home", "name": "Ringside"},
    ]
    global_operator_extra_links: ClassVar[list[Any]] = [
        AuditLink(),
        DocketLink(),
        ReportLink(),
        ModelsLink(),
    ]
    external_views: ClassVar[list[Any]] = NAVIGATION
