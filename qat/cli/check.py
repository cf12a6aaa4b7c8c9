"""Check a network against QUANT.TARGET: violations before, rewrite rules fired and refused, violations after; export
traps; and the pictures and labels that the config names. `check FILE.onnx`: the export traps of a file."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output

FILES = (".onnx",)  # that may stand in the config's place


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own."""
    parser.add_argument("--newest-opset", type=int, metavar="N", help="the newest operator set that the consumer reads")


def run(config: Any, args: argparse.Namespace, out: Output) -> int:
    """Check; returns 1 if an error is left."""
    return _of_file(args, out) if args.file else _of_network(config, args, out)


def _of_file(args: argparse.Namespace, out: Output) -> int:
    from qat.graph.tables import trap_table
    from qat.workflow.target_check import check_file

    findings = check_file(args.file, args.newest_opset)
    out.result(findings, trap_table(findings.traps), findings.summary)
    return int(findings.errors > 0)


def _of_network(config: Any, args: argparse.Namespace, out: Output) -> int:
    from qat.data.set_findings import class_table
    from qat.graph.tables import refusal_table, rule_table, trap_table, violation_table
    from qat.workflow.target_check import check, errors

    findings = check(config, out.progress, args.newest_opset)
    before = violation_table(f"Before: {findings.model} {findings.shape} on {findings.target}", findings.before)
    refused = [refusal_table(findings.log)] if findings.log.refused else []
    after = violation_table("After the rewrites", findings.after)
    rules = rule_table(findings.log, findings.proof_shape)
    data = [class_table(findings.data)] if any(one.labels for one in findings.data) else []
    lines = [line for one in findings.data for line in (one.summary, *(f"  {remark}" for remark in one.remarks))]
    traps = trap_table(findings.traps)
    out.result(findings, before, rules, *refused, after, traps, *data, *lines, findings.summary, *findings.backend)
    return int(errors(findings.after) > 0)
