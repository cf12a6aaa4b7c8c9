"""What was done to a graph: kept at its first node, since torch before 2.0 drops a GraphModule's own meta in a copy."""

from __future__ import annotations

from typing import Any

from torch import fx, nn

KEY = "horizon"


def mark(graph: fx.GraphModule, **state: Any) -> None:
    next(iter(graph.graph.nodes)).meta[KEY] = state


def state_of(model: nn.Module) -> dict[str, Any]:
    """Empty for what is no graph or none of ours."""
    return next(iter(model.graph.nodes)).meta.get(KEY, {}) if isinstance(model, fx.GraphModule) else {}
