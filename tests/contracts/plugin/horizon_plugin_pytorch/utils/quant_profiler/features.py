"""What each layer gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

POST = ".activation_post_process"
KEYS = {"module_name", "attr", "data", "scale", "ch_axis", "ff_method"}


class _Outputs(fx.Interpreter):
    """Each layer's output, rounded where it is: what is a function has the name that prepare generates."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[str, tuple[Tensor, Any]] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op in ("call_module", "call_function", "call_method") and isinstance(result, Tensor):
            rounding = n.op == "call_module" and str(n.target).endswith(POST)
            scale = self.fetch_attr(str(n.target)).scale if rounding else None
            self.found[_layer(n.args[0] if rounding else n)] = (result, scale)
        return result


def _layer(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_module" else f"_generated_{node.name}"


def outputs(model: nn.Module, inputs: Any) -> dict[str, tuple[Tensor, Any]]:
    """By layer, with its scale."""
    run = _Outputs(model)
    with torch.no_grad():
        run.run(*(inputs if isinstance(inputs, (tuple, list)) else (inputs,)))
    return run.found


def get_raw_features(
    model: nn.Module,
    example_inputs: Any,
    prefixes: tuple[str, ...] = (),
    types: tuple[type, ...] = (),
    device: torch.device | None = None,
    preserve_int: bool = False,
    use_class_name: bool = False,
    skip_identity: bool = False,
) -> list[dict[str, Any]]:
    return [
        {"module_name": name, "attr": "output", "data": data, "scale": scale, "ch_axis": -1, "ff_method": None}
        for name, (data, scale) in outputs(model, example_inputs).items()
    ]


def profile_featuremap(
    featuremap: list[dict[str, Any]],
    with_tensorboard: bool = False,
    tensorboard_dir: str | None = None,
    print_per_channel_scale: bool = False,
    show_per_channel: bool = False,
    out_dir: str | None = None,
    file_name: str | None = None,
) -> None:
    """Takes what get_raw_features gives, not a model."""
    if not isinstance(featuremap, list) or any(set(row) != KEYS for row in featuremap):
        raise TypeError("featuremap must be the output of get_raw_features")
    lines = [f"{row['module_name']} {float(row['data'].min())} {float(row['data'].max())}" for row in featuremap]
    for suffix in ("txt", "html"):
        Path(out_dir or ".", f"{file_name or 'statistic'}.{suffix}").write_text("\n".join(lines) + "\n")
