"""What was rewritten, why, with which proof; and what was left, for which reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qat.graph.rules import RULES

NONE: Mapping[str, Any] = {"fired": [], "refused": [], "proofs": []}
REASONS = {rule.name: rule.reason for rule in RULES}


@dataclass(frozen=True)
class Rewrite:
    """A rule that fired: why it exists, what the comparison of outputs after it found, (source, what) of each time."""

    rule: str
    reason: str
    proof: str
    places: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Refusal:
    """A rule that found its pattern and left it: the node, where it came from and why."""

    rule: str
    node: str
    source: str
    reason: str


def rewrites(log: Mapping[str, Any]) -> list[Rewrite]:
    """A rule each, in the order in which they first fired."""
    proofs = {proof["rule"]: proof for proof in log["proofs"]}
    return [_rewrite(rule, log, proofs.get(rule, {})) for rule in dict.fromkeys(f["rule"] for f in log["fired"])]


def refusals(log: Mapping[str, Any]) -> list[Refusal]:
    """As they stand at the end."""
    return [Refusal(each["rule"], each["node"], each["source"], each["reason"]) for each in log["refused"]]


def _rewrite(rule: str, log: Mapping[str, Any], proof: Mapping[str, float]) -> Rewrite:
    places = tuple((each["source"], each["what"]) for each in log["fired"] if each["rule"] == rule)
    return Rewrite(rule, REASONS.get(rule, ""), _proven(proof), places)


def _proven(proof: Mapping[str, float]) -> str:
    if not proof:
        return "not proven"
    if not proof["difference"]:
        return "equal outputs"
    return f"outputs differ by {proof['difference']:.0e}, {proof['tolerance']:.0e} allowed".replace(
        "e-0", "e-"
    ).replace("e-", "e−")
