"""The compiler's functions: they look at the traced network, and write files that name what they were given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Sequence, Union

import torch
from torch import Tensor

from ..march import March, get_march

Examples = Union[Tensor, Sequence[Tensor]]  # the API says a tuple; the samples pass a list, and one a bare tensor
_SOURCES = ("ddr", "pyramid", "resizer")
_OPTS = ("O0", "O1", "O2", "O3", "ddr", "fast", "balance")


def check_model(
    module: torch.jit.ScriptModule,
    example_inputs: Examples,
    march: str | None = None,
    input_source: Sequence[str] | str = "ddr",
    advice: int | None = None,
    check_quanti_param: bool = True,
) -> int:
    _check_arguments(module, example_inputs, march, input_source)
    if _operations(module) - {"horizon::requantise_int16"} != {
        "horizon::requantise"
    }:  # float, hybrid or converted with fast_mode
        return 1
    examples = _listed(example_inputs)
    fits = all(x.shape[1] == 3 and x.shape[2] % 2 == 0 and x.shape[3] % 16 == 0 for x in examples)
    return 0 if "pyramid" not in _sources(input_source) or fits else 2


def compile_model(
    module: torch.jit.ScriptModule,
    example_inputs: Examples,
    hbm: str,
    march: str | None = None,
    name: str | None = None,
    input_source: Sequence[str] | str = "ddr",
    input_layout: str | None = None,
    output_layout: str = "NCHW",
    opt: str | int = "O2",
    balance_factor: int = 2,
    progressbar: bool = True,
    jobs: int = 16,
    debug: bool = True,
    extra_args: list[str] | None = None,
) -> int:
    code = check_model(module, example_inputs, march, input_source)
    _check_opt(opt)
    if code or not hbm.endswith(".hbm"):
        return code or 1
    Path(hbm).write_text(f"{march} {input_source} {opt} {[tuple(x.shape) for x in _listed(example_inputs)]}\n")
    return 0


def perf_model(
    module: torch.jit.ScriptModule,
    example_inputs: Examples,
    march: str | None = None,
    out_dir: str = ".",
    name: str | None = None,
    hbm: str | None = None,
    input_source: Sequence[str] | str = "ddr",
    input_layout: str | None = None,
    output_layout: str = "NCHW",
    opt: str | int = "O3",
    balance_factor: int = 2,
    progressbar: bool = True,
    jobs: int = 16,
    layer_details: bool = False,
    extra_args: list[str] | None = None,
) -> dict[str, Any] | int:
    code = check_model(module, example_inputs, march, input_source)
    _check_opt(opt)
    if code:
        return code
    name = name or module.original_name
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    summary: dict[str, Any] = {
        "BPU OPs per frame (effective)": 12249856,
        "DDR bytes per frame": 1403592.0,
        "DDR bytes per second": 8032734694,
        "FPS": 250.0,
        "compiling options": f"--march {march or get_march().value} -i {input_source} --{opt}",
        "latency (ms)": 4.0,
    }
    if layer_details:
        head = ["layer", "ops", "computing cost (no DDR)", "load/store cost"]
        summary["layer details"] = [head, ["_conv1", 1024, "1 us", "2 us"]]
    Path(out_dir, f"{name}.json").write_text(json.dumps({"summary": summary}))
    Path(out_dir, f"{name}.html").write_text("<html></html>\n")
    return {"summary": summary}


def visualize_model(
    module: torch.jit.ScriptModule,
    example_inputs: Examples,
    march: str | None = None,
    save_path: str | None = None,
    show: bool = True,
) -> None:
    _check_arguments(module, example_inputs, march, "ddr")
    if show:
        raise RuntimeError("no display")
    if save_path is not None:
        Path(save_path).write_text("<svg xmlns='http://www.w3.org/2000/svg'/>\n")


def export_hbir(
    module: torch.jit.ScriptModule, example_inputs: Examples, hbir: str, march: str | None = None
) -> tuple[list[str], list[str]] | int:
    _check_arguments(module, example_inputs, march, "ddr")
    if not hbir.endswith(".hbir") or _operations(module) != {"horizon::requantise"}:
        return 1
    Path(hbir).write_text("hbir\n")
    return ["arg0"], ["ret0"]


def _check_arguments(module: Any, examples: Any, march: str | None, source: Any) -> None:
    if not isinstance(module, torch.jit.ScriptModule):
        raise TypeError(f"module is a {type(module).__name__}: trace it with torch.jit.trace first")
    if any(x.dim() != 4 or x.device.type != "cpu" for x in _listed(examples)):
        raise ValueError("example_inputs must have rank 4 and lie on the CPU")
    for one in _sources(source):
        if one not in _SOURCES:
            raise ValueError(f"unknown input_source {one}, expected one of {_SOURCES}")
    if (March(march) if march else get_march()) != get_march():
        raise ValueError(f"march {march} isn't the one that the model was prepared for, {get_march().value}")


def _listed(examples: Any) -> list[Tensor]:
    listed = [examples] if isinstance(examples, Tensor) else examples
    if not isinstance(listed, (list, tuple)) or not all(isinstance(x, Tensor) for x in listed):
        raise TypeError(f"example_inputs is a {type(examples).__name__}, expected tensors")
    return list(listed)


def _sources(given: Sequence[str] | str) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _check_opt(opt: str | int) -> None:
    if opt not in _OPTS and opt not in range(4):
        raise ValueError(f"unknown opt {opt}, expected one of {_OPTS}")


def _operations(module: torch.jit.ScriptModule) -> set[str]:
    found = module.inlined_graph.findAllNodes("horizon::requantise", True)
    names = {"horizon::requantise"} if found else set()
    others = ("horizon::requantise_fast", "horizon::requantise_hybrid")
    return names | {name for name in others if module.inlined_graph.findAllNodes(name, True)}
