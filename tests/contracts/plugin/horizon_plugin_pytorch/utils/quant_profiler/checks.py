"""What one network is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from torch import fx, nn

from horizon_plugin_pytorch.quantization.fake_quantize import FakeQuantize
from horizon_plugin_pytorch.quantization.state import state_of


def check_qconfig(
    model: nn.Module,
    example_inputs: Any,
    prefixes: tuple[str, ...] = (),
    types: tuple[type, ...] = (),
    custom_check_func: Callable[..., Any] | None = None,
    out_dir: str | None = None,
) -> None:
    """Writes qconfig_info.txt: what is quantised how, and fixed scales. The model must be a QAT or calibration one."""
    if not state_of(model).get("prepared"):
        raise RuntimeError("check_qconfig takes a model from prepare_qat_fx")
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, FakeQuantize)]
    lines = [f"{name} {module.dtype}{' fixed' if module.fixed else ''}" for name, module in found]
    Path(out_dir or ".", "qconfig_info.txt").write_text("\n".join(lines) + "\n")


def check_unfused_operations(model: nn.Module, example_inputs: Any, print_tabulate: bool = True) -> list[list[str]]:
    """Patterns that could be fused. "This interface takes a float model only"."""
    if state_of(model).get("prepared"):
        raise RuntimeError("check_unfused_operations takes a float model only")
    modules = dict(model.named_modules())
    return [
        [str(node.args[0].target), str(node.target)]
        for node in model.graph.nodes
        if node.op == "call_module" and isinstance(modules[node.target], nn.BatchNorm2d)
        if node.args[0].op == "call_module" and isinstance(modules[node.args[0].target], nn.Conv2d)
    ]


def get_module_called_count(
    model: fx.GraphModule,
    example_inputs: Any,
    check_leaf_module: Callable[..., Any] | None = None,
    print_tabulate: bool = True,
) -> dict[str, int]:
    """0: never called; above 1: shared."""
    counts = dict.fromkeys((name for name, module in model.named_modules() if not list(module.children())), 0)
    for node in model.graph.nodes:
        if node.op == "call_module":
            counts[str(node.target)] = counts.get(str(node.target), 0) + 1
    return {name: count for name, count in counts.items() if not name.endswith(("weight_fake_quant", "_process"))}
