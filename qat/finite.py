"""Finds the first tensor with NaN or infinity, and stops a run there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from qat.errors import UserError
from qat.torch_private import norms

_PARAMETRIZED = re.compile(r"parametrizations\.(\w+)\.original")  # torch's name of what lies behind a rounding


def check_loss(parts: Mapping[str, float], rest: Callable[[], str]) -> None:
    """Raises UserError that names the parts with NaN or infinity; `rest()` says where and what to do."""
    wrong = [f"{name} {value}" for name, value in parts.items() if not math.isfinite(value)]
    if wrong:
        raise UserError(f"{', '.join(wrong)}: {rest()}")


def check_weights(model: nn.Module, rest: str) -> None:
    """Raises UserError that names the first weight or statistic with NaN or infinity."""
    if name := _first_wrong(model.state_dict().items()):
        raise UserError(f"NaN or infinity in {name} {rest}")


def check_gradients(model: nn.Module, rest: str) -> None:
    """Raises UserError that names the first weight whose gradient has NaN or infinity; call it before the step."""
    gradients = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    if norms(list(gradients.values())).isfinite().all():  # one wait for the device
        return
    if name := _first_wrong(gradients.items()):
        raise UserError(f"NaN or infinity in the gradient of {name} {rest}")


def culprit(model: nn.Module, image: Tensor) -> str:
    """The first tensor with NaN or infinity: a weight, the pictures, else a layer's output."""
    if name := _first_wrong([*model.state_dict().items(), ("the pictures", image)]):
        return f"first in {name}"
    return f"first in the output of {layer}" if (layer := _first_output(model, image)) else "only in the loss"


@torch.no_grad()
def _first_output(model: nn.Module, image: Tensor) -> str:
    """Returns the first node of a graph, or the first layer of a module, with NaN or infinity in its output; or ""."""
    if isinstance(model, fx.GraphModule):
        finder = _Finder(model)
        finder.run(image)
        return finder.first
    names: list[str] = []

    def watch(name: str) -> Callable[[Any, Any, Any], None]:
        def look(layer: Any, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and not output.isfinite().all():
                names.append(name)

        return look

    leaves = [(name, layer) for name, layer in model.named_modules() if name and not any(layer.children())]
    hooks = [layer.register_forward_hook(watch(name)) for name, layer in leaves]
    model(image)
    for hook in hooks:
        hook.remove()
    return names[0] if names else ""


def _first_wrong(tensors: Iterable[tuple[str, Tensor]]) -> str:
    name = next((name for name, value in tensors if not value.isfinite().all()), "")
    return _PARAMETRIZED.sub(r"\1", name)


class _Finder(fx.Interpreter):
    """Runs a graph and remembers the first node whose tensor isn't finite."""

    first = ""

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if not self.first and isinstance(value, Tensor) and not value.isfinite().all():
            self.first = n.name
        return value
