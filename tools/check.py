"""Check a network against QUANT.TARGET: violations before, rewrite rules fired and refused, violations after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import _cli
import torch
from rich.console import Console
from rich.table import Table
from yacs.config import CfgNode

from qat.backends.horizon import HorizonBackend
from qat.files import write_json
from qat.graph import Proof, RewriteLog, Violation, check, rewrite
from qat.graph.rules import RULES
from qat.models import build_model
from qat.workflow import stages
from qat.workflow.settings import backend_choice, quant_spec

PROOF_PIXELS = 256 * 256  # larger pictures are checked by shape, and proven at a smaller size
PIPE_WIDTH = 160


@dataclass(frozen=True)
class Findings:
    """What the check found, ready for JSON."""

    model: str
    target: str
    shape: tuple[int, ...]
    before: list[Violation]
    log: RewriteLog
    proof_shape: tuple[int, ...]
    after: list[Violation]


def main() -> int:
    parser = _cli.parser(__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the same as JSON")
    args = parser.parse_intermixed_args()
    found = examine(_cli.config(args))
    width = None if Console().is_terminal else PIPE_WIDTH
    show(found, Console(width=width, markup=False, emoji=False, highlight=False))
    if args.json:
        write_json(args.json, asdict(found))
    if errors(found.after):
        return 1
    for line in ask_plugin(_cli.config(args)):
        print(line)
    return 0


def examine(cfg: CfgNode) -> Findings:
    """Check, rewrite and check again at TEST.IMAGE_SIZE; structure doesn't depend on weights, so they are random."""
    model = build_model(cfg.MODEL.NAME, cfg.DATASET.NUM_CLASSES)
    width, height = cfg.TEST.IMAGE_SIZE
    example, small = torch.zeros(1, 3, height, width), torch.zeros(1, 3, *proof_size(height, width))
    target = cfg.QUANT.TARGET
    before = check(model, example, target)
    rewritten = rewrite(model, example, target, prove=example.shape == small.shape)
    log = rewritten.log
    if not log.proofs:
        log = RewriteLog(log.fired, log.refused, rewrite(model, small, target).log.proofs)
    after = check(rewritten.module, example, target)
    return Findings(cfg.MODEL.NAME, target, tuple(example.shape), before, log, tuple(small.shape), after)


def ask_plugin(cfg: CfgNode) -> list[str]:
    """What the plugin's profiler says of the rewritten network; nothing where the backend is another."""
    choice = backend_choice(cfg)
    if not isinstance(choice.backend, HorizonBackend):
        return []
    width, height = cfg.TEST.IMAGE_SIZE
    example = torch.zeros(1, 3, *proof_size(height, width))
    model = build_model(cfg.MODEL.NAME, cfg.DATASET.NUM_CLASSES).eval()
    prepared = choice.backend.prepare(rewrite(model, example, cfg.QUANT.TARGET, prove=False), quant_spec(cfg))
    return [str(choice), *choice.backend.inspect(prepared, example, stages.stage_folder(cfg, "check"))]


def proof_size(height: int, width: int) -> tuple[int, int]:
    """Height and width, halved until a float forward takes a fraction of a second."""
    while height * width > PROOF_PIXELS:
        height, width = height // 2, width // 2
    return height, width


def errors(violations: Sequence[Violation]) -> int:
    """How many of them keep the model from running as int8."""
    return sum(found.severity == "error" for found in violations)


def show(found: Findings, console: Console) -> None:
    """Print the tables and a summary."""
    console.print(violation_table(f"Before: {found.model} {found.shape} on {found.target}", found.before))
    console.print(rule_table(found.log, found.proof_shape))
    if found.log.refused:
        console.print(refusal_table(found.log))
    console.print(violation_table("After the rewrites", found.after))
    console.print(f"errors: {errors(found.before)} before, {errors(found.after)} after; warnings: ", end="")
    console.print(f"{len(found.before) - errors(found.before)} before, {len(found.after) - errors(found.after)} after")


def violation_table(title: str, violations: Sequence[Violation]) -> Table:
    """Violations, equal ones of one source line together."""
    if not violations:
        return _table(f"{title}: no violations")
    rows = Counter((v.severity, v.op, v.source, v.message, v.fix) for v in violations)
    table = _table(title, "severity", "count", "op", "source", "violation", "fix")
    for (severity, op, source, message, fix), count in sorted(rows.items()):
        table.add_row(severity, str(count), op, source, message, fix, style="red" if severity == "error" else "yellow")
    return table


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


def _difference(proofs: Sequence[Proof], rule: str) -> str:
    found = [proof for proof in proofs if proof.rule == rule]
    return f"{max(p.difference for p in found):.1e} (<= {found[0].tolerance:.0e})" if found else "not compared"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", expand=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


if __name__ == "__main__":
    _cli.run(main)
