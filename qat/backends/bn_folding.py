"""A rewritten network whose batch normalisation is folded as backend fx folds it, for a backend of another kind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace as changed
from typing import Any

import torch
from torch import Tensor, fx, nn

from qat.ao import FusedModule, core_of
from qat.graph import Rewritten
from qat.graph.edit import replace
from qat.graph.ops import INT8_LAYERS
from qat.torch_private import AnyBatchNorm


def folded(rewritten: Rewritten, prepared: fx.GraphModule) -> Rewritten:
    """`rewritten` with the layers of `prepared`, backend fx's graph of it: the same names, weights and biases.

    Batch normalisation that `prepared` has folded into a convolution is gone; the rest is as in `prepared`.
    """
    module, theirs = copy.deepcopy(rewritten.module), dict(prepared.named_modules())
    for node in list(module.graph.nodes):
        own = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(own, (AnyBatchNorm, *INT8_LAYERS)):
            _take_over(node, own, core_of(theirs.get(str(node.target), nn.Identity())))
    module.graph.lint()
    module.recompile()
    return changed(rewritten, module=module)


def _take_over(node: fx.Node, own: Any, core: Any) -> None:
    if not isinstance(own, AnyBatchNorm):
        own.weight, own.bias = _copied(core.weight), _copied(core.bias)
    elif isinstance(core, AnyBatchNorm):
        own.load_state_dict(core.state_dict())
    else:
        replace(node, node.all_input_nodes[0])


def _copied(value: Tensor | None) -> nn.Parameter | None:
    return None if value is None else nn.Parameter(value.detach().clone())


def layers(prepared: fx.GraphModule) -> Iterator[tuple[str, nn.Module]]:
    """Each layer with weights, free-standing normalisation too, of backend fx's graph by its name in the rewritten."""
    for name, module in prepared.named_modules():
        core = core_of(module)
        if isinstance(core, (AnyBatchNorm, *INT8_LAYERS)) and not isinstance(_parent(prepared, name), FusedModule):
            yield name, core


def _parent(prepared: fx.GraphModule, name: str) -> nn.Module:
    return prepared.get_submodule(name.rpartition(".")[0])


@torch.no_grad()
def take_tensors(layer: nn.Module, core: nn.Module) -> None:
    """Copy weight, bias and statistics of `core` into a `layer` of the same kind; its other tensors stay."""
    theirs = core.state_dict()
    for name, value in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
        if name in theirs:
            value.copy_(theirs[name])
