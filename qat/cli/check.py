"""Check a network against QUANT.TARGET: violations before, rewrite rules fired and refused, violations after; and the
pictures and labels that the config names."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def run(config: Any, args: argparse.Namespace, out: Output) -> int:
    """Check; returns 1 if an error is left."""
    from qat.data.set_findings import class_table
    from qat.graph.tables import refusal_table, rule_table, violation_table
    from qat.workflow.target_check import check, errors

    findings = check(config, out.progress)
    before = violation_table(f"Before: {findings.model} {findings.shape} on {findings.target}", findings.before)
    refused = [refusal_table(findings.log)] if findings.log.refused else []
    after = violation_table("After the rewrites", findings.after)
    rules = rule_table(findings.log, findings.proof_shape)
    data = [class_table(findings.data)] if any(one.labels for one in findings.data) else []
    lines = [line for one in findings.data for line in (one.summary, *(f"  {remark}" for remark in one.remarks))]
    out.result(findings, before, rules, *refused, after, *data, *lines, findings.summary, *findings.backend)
    return int(errors(findings.after) > 0)
