"""Writes the configuration of supervisord. Nothing starts by itself: `startup` does."""

import hashlib
import os
from pathlib import Path

from ringside_embedded.environments import IMPORT_ROOTS
from ringside_embedded.layout import Layout
from ringside_embedded.programs import Program


def render_config(layout: Layout, programs: list[Program]) -> str:
    """Write the configuration; it holds secrets, so its file must be private."""
    sections = [_render_head(layout), *(_render_program(layout, p) for p in programs)]
    return "\n".join(sections)


def _render_head(layout: Layout) -> str:
    user = "user=root\n" if os.geteuid() == 0 else ""
    return f"""\
; Made anew before each start of supervisord; edits are lost.
; code {_digest_code(layout)}: what runs with other code is started anew
[unix_http_server]
file={_escape(layout.supervisor_socket)}
chmod=0700

[supervisord]
nodaemon=true
silent=true
identifier=ringside
directory={_escape(layout.root)}
logfile={_escape(layout.log_of("supervisord"))}
logfile_maxbytes=5MB
logfile_backups=2
pidfile={_escape(layout.supervisor_pid_file)}
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def _digest_code(layout: Layout) -> str:
    """Digest the environments' stamps and the code that long-lived processes have loaded."""
    digest = hashlib.sha256()
    files = list(layout.environments.glob("*/ringside-stamp.json"))
    for folder in IMPORT_ROOTS:
        files += (layout.root / folder).rglob("*.py")
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _render_program(layout: Layout, program: Program) -> str:
    handover = [layout.platform_program("python"), "-m", "ringside_embedded.handover"]
    command = " ".join(_quote(word) for word in [*handover, *program.command])
    variables = ",".join(f"{k}={_quote(v)}" for k, v in sorted(program.variables.items()))
    return f"""\
[program:{program.name}]
command={command}
directory={_escape(program.folder or layout.root)}
environment={variables}
autostart=false
autorestart=true
startsecs=1
startretries=5
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_wait_s}
killasgroup=true
redirect_stderr=true
stdout_logfile={_escape(layout.log_of(program.name))}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def _escape(value: str | Path) -> str:
    """Double the percent signs: supervisord expands `%(name)s` in every value."""
    return str(value).replace("%", "%%")


def _quote(value: str) -> str:
    """Quote one word the way supervisord's shell-like reader takes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_escape(escaped)}"'
