"""Writes each audit as a JSON file and as one self-contained page for people."""

import hashlib
import html
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from ringside.adapters.whole_files import write_whole
from ringside.core.audits import BatchAudit, Finding

MAX_LISTED = 500  # a page with more rows than this is read by nobody; the JSON file has all

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 0 0 2rem;
  font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
footer { opacity: .75; font-size: .85rem; }
""".strip()


def write_audit(folder: Path, audit: BatchAudit, *, as_of: datetime, checks: Sequence[str]) -> Path:
    """Write `<batch_id>.json` and `<batch_id>.html`, each whole or not at all.

    Args:
        folder: Where to write; made when it is not there.
        audit: What was found.
        as_of: The instant the audit was made for.
        checks: Names of all checks that ran, in the order to list them.

    Returns:
        The path of the page.
    """
    facts = {**asdict(audit), "as_of": as_of.isoformat(), "checks": list(checks)}
    write_whole(folder / f"{audit.batch_id}.json", json.dumps(facts, indent=1))
    page = folder / f"{audit.batch_id}.html"
    write_whole(page, render_page(audit, as_of=as_of, checks=checks))
    return page


def write_run_page(folder: Path, audits: Sequence[BatchAudit], *, as_of: datetime) -> Path:
    """Write the page of all audits of one run, each linked to its own page.

    The name comes from the batches, so that auditing them again writes the same file.
    """
    key = hashlib.sha256(" ".join(sorted(a.batch_id for a in audits)).encode()).hexdigest()[:8]
    claim = (
        f"{sum(audit.refused_rows for audit in audits):,} rows refused in {len(audits):,} batches"
    )
    rows = "\n".join(
        f'<tr><td><a href="{html.escape(audit.batch_id)}.html">{html.escape(audit.batch_id)}</a>'
        f"</td><td>{html.escape(_render_claim(audit))}</td><td>{len(audit.warnings):,}</td></tr>"
        for audit in sorted(audits, key=lambda each: (-each.refused_rows, each.batch_id))
    )
    page = folder / f"run_{as_of:%Y%m%dT%H%M%S}_{key}.html"
    write_whole(
        page,
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{claim}</title><style>{_STYLE}</style></head><body>\n<h1>{claim}</h1>\n"
        f"<table><thead><tr><th>batch</th><th>outcome</th><th>warnings</th></tr></thead>"
        f"<tbody>\n{rows}\n</tbody></table>\n"
        f"<footer>As of {as_of:%Y-%m-%d %H:%M:%S} UTC.</footer></body></html>\n",
    )
    return page


def render_page(audit: BatchAudit, *, as_of: datetime, checks: Sequence[str]) -> str:
    """Render the page of one audit; it asks for no other file."""
    claim = f"{audit.symbol}: {_render_claim(audit)}"
    failed = Counter(finding.expectation for finding in audit.failures)
    warned = Counter(finding.expectation for finding in audit.warnings)
    outcomes = [
        (name, _render_outcome(failed[name], warned[name]))
        for name in (*checks, *sorted(failed.keys() - set(checks)))
    ]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(claim)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(claim)}</h1>",
        _render_findings("Refused", audit.failures),
        _render_findings("Warnings", audit.warnings),
        "<h2>Checks</h2>",
        _render_table(("check", "rows of this batch"), outcomes),
        f"<footer>Batch {html.escape(audit.batch_id)} from {html.escape(audit.venue)},"
        f" as of {as_of:%Y-%m-%d %H:%M:%S} UTC. Times are when a candle opens, in UTC.</footer>",
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _render_claim(audit: BatchAudit) -> str:
    if audit.is_refused:
        return f"the whole batch of {audit.rows:,} rows is refused"
    if audit.refused_rows:
        return f"{audit.refused_rows:,} of {audit.rows:,} rows refused, the others published"
    return f"all {audit.rows:,} rows passed"


def _render_outcome(failed: int, warned: int) -> str:
    if failed:
        return f"{failed:,} refused"
    return f"{warned:,} warned about" if warned else "all passed"


def _render_findings(title: str, findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    rows = [
        (
            "all" if finding.row_number is None else str(finding.row_number),
            (finding.open_time or "").removesuffix("+00:00").replace("T", " "),
            finding.reason,
        )
        for finding in findings[:MAX_LISTED]
    ]
    more = len(findings) - len(rows)
    note = f"<p>{more:,} more are in the JSON file beside this page.</p>" if more else ""
    return f"<h2>{title}</h2>\n{_render_table(('row', 'opens', 'why'), rows)}{note}"


def _render_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"
