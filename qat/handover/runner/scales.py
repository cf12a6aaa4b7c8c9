"""Scales in the plugin's networks, found by their names in the state_dict: its classes differ by version."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .mistake import Mistake
from .pictures import CENTRE
from .plugin import part

UNSET, FIXED = 1.0, 1 / 128  # what the plugin starts every scale with; the pyramid's
SWING = "full"  # of the camera's colours; the default is "studio", which the device doesn't give


def activations(model: nn.Module) -> dict[str, float]:
    """The scale of each activation, by the module that makes it."""
    state = model.state_dict()
    found = {}
    for key, value in state.items():
        name, _, leaf = key.rpartition(".")
        own = leaf == "scale" and value.numel() == 1 and "weight" not in name.rpartition(".")[2]
        if own and f"{name}.zero_point" in state:
            found[name[: -len(".activation_post_process")] if name.endswith(".activation_post_process") else name] = (
                float(value)
            )
    return found


def check_observed(model: nn.Module) -> None:
    """Raises Mistake where calibration left every scale as it was."""
    if not set(activations(model).values()) - {UNSET, FIXED}:
        raise Mistake("the plugin observed nothing: its network was not in state CALIBRATION; report this")


def set_weight_scales(model: nn.Module, scales: dict[str, Tensor]) -> None:
    """Let the weights of layers be rounded by `scales`, (channels,) or (1,): their rounding was chosen on them."""
    state = model.state_dict()
    for layer, scale in scales.items():
        keys = [key for key in state if _is_weight_scale(key, layer)]
        if len(keys) != 1:
            raise Mistake(
                f"the plugin keeps {len(keys) or 'no'} weight scales for {layer}, expected one; write the bundle "
                "without the methods that tune weights"
            )
        with torch.no_grad():
            state[keys[0]].copy_(scale.expand_as(state[keys[0]]))


def _is_weight_scale(key: str, layer: str) -> bool:
    owner, _, leaf = key.rpartition(".")
    return leaf == "scale" and owner.startswith(f"{layer}.") and "weight" in owner[len(layer) + 1 :]


def take_yuv(quantised: Any) -> None:
    """After convert: each input is centred YUV444, -128 .. 127, turned into RGB behind its stub, in place."""
    to_rgb = part("functional").centered_yuv2rgb
    settings = {"swing": SWING, "mean": [CENTRE], "std": [CENTRE], "q_scale": 1 / CENTRE}
    inputs = [node for node in quantised.graph.nodes if node.op == "placeholder"]
    stubs = [user for node in inputs for user in node.users]
    if not stubs or any(stub.op != "call_module" for stub in stubs):
        raise Mistake("the converted graph's inputs don't go into QuantStubs; this version of the plugin is unknown")
    for stub in stubs:
        readers = list(stub.users)
        with quantised.graph.inserting_after(stub):
            rgb = quantised.graph.call_function(to_rgb, (stub,), settings)
        for reader in readers:
            reader.replace_input_with(stub, rgb)
        dict(quantised.named_modules())[str(stub.target)].scale.fill_(1.0)
    quantised.recompile()
