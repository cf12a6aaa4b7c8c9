"""A weight's scales, in buffers beside it: open until they are settled; int8, or float where mixed precision keeps it.

Every scale that a state holds is finite and above 0. In older states 0 was an open scale, and -1 a float layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from qat.graph.ops import INT8_LAYERS
from qat.observers.weights import fake_quantise, weight_scales

_WHOLE = nn.ConvTranspose2d  # one scale for the whole weight: torch has no kernel for one per channel
_SCALE, _SETTLED, _BITS = "weight_scale", "weight_settled", "weight_bits"
_INT8, _FLOAT = 8, 32


def weighted(model: nn.Module) -> Iterator[nn.Module]:
    """Every convolution and linear layer."""
    return (module for module in model.modules() if isinstance(module, INT8_LAYERS))


def add_weight_scales(model: nn.Module) -> None:
    """Give each weight the buffers, with open scales."""
    for module in weighted(model):
        scales = 1 if isinstance(module, _WHOLE) else len(cast(Tensor, module.weight))
        module.register_buffer(_SCALE, torch.ones(scales))
        module.register_buffer(_SETTLED, torch.tensor(False))
        module.register_buffer(_BITS, torch.tensor(_INT8))


def settle_weight(module: nn.Module, method: str) -> None:
    """Choose open scales by a weight observer."""
    if getattr(module, _SETTLED):
        return
    weight = cast(Tensor, module.weight)
    rows = weight.view(1, -1) if isinstance(module, _WHOLE) else weight
    cast(Tensor, module.weight_scale).copy_(weight_scales(rows, method))
    cast(Tensor, module.weight_settled).fill_(True)


def open_weight(module: nn.Module) -> None:
    """Forget the scales, and that the layer was kept in float."""
    cast(Tensor, module.weight_scale).fill_(1)
    cast(Tensor, module.weight_settled).fill_(False)
    cast(Tensor, module.weight_bits).fill_(_INT8)


def keep_in_float(module: nn.Module) -> None:
    """Keep a layer's weight as it is."""
    cast(Tensor, module.weight_bits).fill_(_FLOAT)


def in_float(module: nn.Module) -> bool:
    """Whether mixed precision keeps this layer's weight in float."""
    return int(getattr(module, _BITS, _INT8)) == _FLOAT


def round_weight(module: nn.Module) -> None:
    """Round a layer's weight to the levels of its settled scales, unless it is kept in float."""
    weight = cast(Tensor, module.weight)
    if not in_float(module):
        weight.data = fake_quantise(weight, cast(Tensor, module.weight_scale))


def as_now(state: Mapping[str, Tensor], names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns a state as this version writes it; `names`: that of the network which it is for."""
    found = dict(state)
    for name in names:
        owner, _, leaf = name.rpartition(".")
        scale = state.get(f"{owner}.{_SCALE}")
        if leaf == _SETTLED and name not in state and scale is not None:
            kept = bool((scale == -1).all())
            found[name] = torch.tensor(bool(scale.any()))
            found[f"{owner}.{_BITS}"] = torch.tensor(_FLOAT if kept else _INT8)
            found[f"{owner}.{_SCALE}"] = torch.ones_like(scale) if kept or not scale.any() else scale
    return found


def wrong_scale(state: Mapping[str, Tensor]) -> str:
    """Returns the first scale of a state that isn't finite and above 0, with its value; "" for none."""
    for name, value in state.items():
        owner, _, leaf = name.rpartition(".")
        is_scale = leaf == _SCALE or (leaf == "scale" and f"{owner}.zero_point" in state)
        if is_scale and not (value.isfinite() & (value > 0)).all():
            wrong = value[~(value.isfinite() & (value > 0))].flatten()[0]
            return f"{name} is {float(wrong):g}"
    return ""
