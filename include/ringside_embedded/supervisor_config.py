"""Writes the configuration of supervisord. Nothing starts by itself: `startup` does.

Commands and variables go to a file of their own, which `handover` reads: supervisord's format has
no way to quote every value, and they hold secrets.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from ringside_embedded.environments import IMPORT_ROOTS
from ringside_embedded.layout import Layout
from ringside_embedded.programs import Program


@dataclass(frozen=True)
class SupervisorFiles:
    """The texts of the two files; what runs with other texts is started anew."""

    config: str
    programs: str


def render_files(layout: Layout, programs: list[Program]) -> SupervisorFiles:
    """Write both files; the configuration names the digest of all that it stands for."""
    described = {p.name: {"command": p.command, "variables": dict(p.variables)} for p in programs}
    text = json.dumps(described, indent=2, sort_keys=True) + "\n"
    head = _render_head(layout, _digest(layout, text))
    return SupervisorFiles("\n".join([head, *(_render_program(layout, p) for p in programs)]), text)


def _render_head(layout: Layout, digest: str) -> str:
    user = "user=root\n" if os.geteuid() == 0 else ""
    return f"""\
; Made anew before each start of supervisord; edits are lost.
; digest {digest} of the programs, the code and the environments
[unix_http_server]
file={_escape(layout.supervisor_socket)}
chmod=0700

[supervisord]
nodaemon=false
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


def _digest(layout: Layout, programs: str) -> str:
    """Digest the programs, the environments' stamps and the code that processes have loaded."""
    digest = hashlib.sha256(programs.encode())
    files = list(layout.environments.glob("*/ringside-stamp.json"))
    for folder in IMPORT_ROOTS:
        files += (layout.root / folder).rglob("*.py")
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _render_program(layout: Layout, program: Program) -> str:
    words = [layout.platform_program("python"), "-m", "ringside_embedded.handover"]
    words += [str(layout.programs_file), program.name]
    return f"""\
[program:{program.name}]
command={" ".join(_quote(word) for word in words)}
directory={_escape(program.folder or layout.root)}
autostart=false
autorestart=true
startsecs=1
startretries=5
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_wait_s}
killasgroup=true
redirect_stderr=true
stdout_logfile={_escape(_escape(layout.log_of(program.name)))}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


def _escape(value: str | Path) -> str:
    """Double the percent signs: supervisord expands `%(name)s` in values, in some of them twice."""
    return str(value).replace("%", "%%")


def _quote(value: str) -> str:
    """Quote one word the way supervisord's shell-like reader takes it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_escape(escaped)}"'
