"""The tables of a check: violations, rules that fired, rules that refused, export traps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from qat.graph.check import Violation
from qat.graph.rewrite import Proof, RewriteLog
from qat.graph.rules import RULES
from qat.graph.traps import TrapFinding

PLACES = 3  # of equal traps that are named


def violation_table(title: str, violations: Sequence[Violation]) -> Table:
    """Violations, equal ones of one source line together."""
    if not violations:
        return _table(f"{title}: no violations")
    rows = Counter((v.severity, v.op, v.source, _cited(v), v.fix) for v in violations)
    table = _table(title, "severity", "count", "op", "source", "violation", "fix")
    for (severity, op, source, message, fix), count in sorted(rows.items()):
        table.add_row(severity, str(count), op, source, message, fix, style="red" if severity == "error" else "yellow")
    return table


def _cited(violation: Violation) -> str:
    return f"{violation.message} ({violation.document})" if violation.document else violation.message


def rule_table(log: RewriteLog, shape: tuple[int, ...]) -> Table:
    """Rules that fired, with their largest difference from the model's output."""
    fired = Counter(entry.rule for entry in log.fired)
    table = _table(f"Rules fired, outputs compared on {shape}", "rule", "count", "difference", "first", "why")
    for rule in RULES:
        if fired[rule.name]:
            first = next(entry for entry in log.fired if entry.rule == rule.name)
            table.add_row(
                rule.name,
                str(fired[rule.name]),
                _difference(log.proofs, rule.name),
                f"{first.source}: {first.what}",
                rule.reason,
            )
    return table


def refusal_table(log: RewriteLog) -> Table:
    """Rules that found their pattern and left it."""
    table = _table("Rules that refused", "rule", "source", "node", "reason")
    for entry in log.refused:
        table.add_row(entry.rule, entry.source, entry.node, entry.reason)
    return table


def trap_table(findings: Sequence[TrapFinding]) -> Table | str:
    """Export traps, equal ones together."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for one in findings:
        rows.setdefault((one.trap, one.found, one.harm, one.fix, one.severity), []).append(one.place)
    if not rows:
        return "Export traps: none"
    table = _table("Export traps", "trap", "count", "place", "found", "harm", "fix")
    for (trap, found, harm, fix, severity), places in rows.items():
        cells = trap, str(len(places)), _places(places), found, harm, fix
        table.add_row(*cells, style="red" if severity == "error" else "yellow")
    return table


def _places(places: Sequence[str]) -> str:
    """The first of them, each once, a line each."""
    unique = list(dict.fromkeys(places))
    more = [f"and {len(unique) - PLACES} more"] if len(unique) > PLACES else []
    return "\n".join([*unique[:PLACES], *more])


def _difference(proofs: Sequence[Proof], rule: str) -> str:
    own = [proof for proof in proofs if proof.rule == rule]
    return f"{max(p.difference for p in own):.1e} (<= {own[0].tolerance:.0e})" if own else "not compared"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", expand=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
