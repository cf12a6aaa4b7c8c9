"""Check a network against QUANT.TARGET: violations before, rewrite rules fired and refused, violations after."""

from __future__ import annotations

import argparse
from typing import Any

from qat.cli.output import Output


def run(config: Any, args: argparse.Namespace, out: Output) -> int:
    """Check; 1 where an error is left."""
    from qat.graph.tables import refusal_table, rule_table, violation_table
    from qat.workflow.target_check import check, errors

    found = check(config, out.progress)
    before = violation_table(f"Before: {found.model} {found.shape} on {found.target}", found.before)
    refused = [refusal_table(found.log)] if found.log.refused else []
    after = violation_table("After the rewrites", found.after)
    rules = rule_table(found.log, found.proof_shape)
    out.result(found, before, rules, *refused, after, found.summary, *found.backend)
    return int(errors(found.after) > 0)
