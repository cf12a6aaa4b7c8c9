"""A rewritten network with a prepared graph's weights, for a backend that prepares it in its own way."""

from __future__ import annotations

import copy
from dataclasses import replace as changed
from typing import Any

from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from qat.ao import FusedModule
from qat.backends.scales import WEIGHTED
from qat.graph import Rewritten
from qat.graph.edit import replace


def folded(rewritten: Rewritten, prepared: fx.GraphModule) -> Rewritten:
    """`rewritten` with the weights and biases of `prepared`, which was made of it: equalised, rounded or corrected.

    Batch normalisation that `prepared` has folded into a convolution is gone; what it has kept is as there.
    """
    module, theirs = copy.deepcopy(rewritten.module), dict(prepared.named_modules())
    for node in list(module.graph.nodes):
        own = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if isinstance(own, (_BatchNorm, *WEIGHTED)):
            _take_over(node, own, theirs.get(str(node.target)))
    module.graph.lint()
    module.recompile()
    return changed(rewritten, module=module)


def _take_over(node: fx.Node, own: Any, source: nn.Module | None) -> None:
    core: Any = source[0] if isinstance(source, FusedModule) else source
    if not isinstance(own, _BatchNorm):
        own.weight, own.bias = _copied(core.weight), _copied(core.bias)
    elif isinstance(core, _BatchNorm):
        own.load_state_dict(core.state_dict())
    else:
        replace(node, node.all_input_nodes[0])


def _copied(value: Tensor | None) -> nn.Parameter | None:
    return None if value is None else nn.Parameter(value.detach().clone())
