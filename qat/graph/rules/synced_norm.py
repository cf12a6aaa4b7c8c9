"""Batch normalisation synchronised over processes becomes the plain one: in eval mode they are the same.

before: nn.SyncBatchNorm(C)(x)
after:  nn.BatchNorm2d(C)(x)
"""

from __future__ import annotations

from torch import nn
from torch.fx import Node

from qat.graph.nodes import module_of, owner_of, shape_of
from qat.graph.rules.rule import Rule


def _match(node: Node) -> bool:
    return isinstance(module_of(node), nn.SyncBatchNorm)


def _check(node: Node) -> str | None:
    calls = node.graph.find_nodes(op="call_module")
    shapes = [shape_of(call) for call in calls if call.target == node.target]
    flat = next((shape for shape in shapes if len(shape) != 4), None)
    return f"its input {flat} hasn't four axes" if flat else None


def _apply(node: Node) -> str:
    synced = module_of(node)
    assert isinstance(synced, nn.SyncBatchNorm)
    norm = nn.BatchNorm2d(
        synced.num_features, synced.eps, synced.momentum, synced.affine, synced.track_running_stats, device="meta"
    )
    for name, tensor in (*synced.named_parameters(), *synced.named_buffers()):
        setattr(norm, name, tensor)
    owner_of(node).set_submodule(str(node.target), norm.train(synced.training))
    return f"{node.target} is a BatchNorm2d"


RULE = Rule("synced_norm", "torch and devices fold the plain layer into a convolution only", _match, _apply, _check)
