"""The profiler, where it lay before plugin 1.8.1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, fx, nn

from horizon_plugin_pytorch.quantization.fake_quantize import FakeQuantize
from horizon_plugin_pytorch.quantization.state import state_of

__all__ = ["check_qconfig", "check_unfused_operations", "get_module_called_count"]


def check_qconfig(
    model: fx.GraphModule,
    example_inputs: Tensor,
    prefixes: tuple[str, ...] = (),
    types: tuple[type, ...] = (),
    custom_check_func: Callable[..., Any] | None = None,
    out_dir: str | None = None,
) -> None:
    """Writes qconfig_info.txt: what is quantised how, and fixed scales."""
    _check_prepared(model)
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, FakeQuantize)]
    lines = [f"{name} qint8{' fixed' if module.fixed else ''}" for name, module in found]
    Path(out_dir or ".", "qconfig_info.txt").write_text("\n".join(lines) + "\n")


def check_unfused_operations(model: nn.Module, example_inputs: Tensor, print_tabulate: bool = True) -> None:
    _check_prepared(model)


def get_module_called_count(
    model: fx.GraphModule, example_inputs: Tensor, check_leaf_module: Callable[..., Any] | None = None
) -> dict[str, int]:
    _check_prepared(model)
    counts = dict.fromkeys((name for name, module in model.named_modules() if not list(module.children())), 0)
    for node in model.graph.nodes:
        if node.op == "call_module":
            counts[str(node.target)] = counts.get(str(node.target), 0) + 1
    return {name: count for name, count in counts.items() if not name.endswith(("weight_fake_quant", "_process"))}


def _check_prepared(model: Any) -> None:
    if not state_of(model).get("prepared"):
        raise RuntimeError("the profiler takes a model from prepare_qat_fx")
