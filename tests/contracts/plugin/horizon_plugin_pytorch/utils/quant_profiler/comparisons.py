"""Two stages of one network against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import torch
from torch import Tensor, nn

from horizon_plugin_pytorch.quantization.state import state_of

from .features import outputs

MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Cosine": lambda a, b: nn.functional.cosine_similarity(a.flatten(), b.flatten(), 0),
    "MSE": lambda a, b: (a - b).square().mean(),
    "L1": lambda a, b: (a - b).abs().mean(),
    "KL": lambda a, b: nn.functional.kl_div(b.flatten().log_softmax(0), a.flatten().softmax(0), reduction="sum"),
    "SQNR": lambda a, b: 10 * torch.log10(a.square().sum() / (a - b).square().sum()),  # infinite where nothing differs
}
STAGES = {"FvsQ": (0, 1), "QvsQ": (1, 2), "CvsQ": (1, 1)}  # mode -> stages: float, calibration or QAT, quantized


def featuremap_similarity(
    model1: nn.Module,
    model2: nn.Module,
    inputs: Any,
    similarity_func: str | Callable[..., Any] = "Cosine",
    threshold: float | None = None,
    devices: torch.device | tuple[torch.device, ...] | None = None,
    out_dir: str | None = None,
) -> list[list[Any]]:
    """[index, name, type, similarity, scale, largest difference, that in scales, and with the same input]."""
    _check_apart(model1, model2)
    measure = MEASURES[similarity_func] if isinstance(similarity_func, str) else similarity_func
    first, second = outputs(model1, inputs), outputs(model2, inputs)
    rows: list[list[Any]] = []
    for name in [name for name in first if name in second]:
        (a, _), (b, scale) = first[name], second[name]
        largest = float((a - b).abs().max())
        steps = None if scale is None or scale.numel() != 1 else round(largest / float(scale))
        step = None if steps is None else float(scale)
        rows.append([len(rows), name, "torch.nn.Module", measure(a, b), step, largest, steps, steps])
    for file in ("similarity.txt", "ordered_op_error_similarity.txt", "similarity.html"):
        Path(out_dir or ".", file).write_text("\n".join(map(str, rows)) + "\n")
    return rows


def compare_weights(
    float_model: nn.Module,
    qat_quantized_model: nn.Module,
    similarity_func: str | Callable[..., Any] = "Cosine",
    with_tensorboard: bool = False,
    tensorboard_dir: str | None = None,
    out_dir: str | None = None,
) -> dict[str, dict[str, Tensor]]:
    """The float model must be fused: otherwise the wrong weights are compared."""
    _check_apart(float_model, qat_quantized_model)
    if not state_of(float_model).get("fused"):
        raise RuntimeError("compare_weights: give the float model to fuse_fx first")
    theirs = qat_quantized_model.state_dict()
    found = {
        name: {"float": value, "quantized": theirs[name]}
        for name, value in float_model.state_dict().items()
        if name.endswith(".weight") and name in theirs
    }
    Path(out_dir or ".", "weight_comparison.txt").write_text("\n".join(found) + "\n")
    return found


def model_profiler(
    model1: nn.Module,
    model2: nn.Module,
    example_inputs: Any,
    mode: str,
    out_dir: str | None = None,
    kwargs_dict: dict[str, Any] | None = None,
) -> None:
    """Neighbouring stages only, the earlier first."""
    _check_apart(model1, model2)
    if (_stage(model1), _stage(model2)) != STAGES[mode]:
        raise RuntimeError(f"mode {mode} doesn't fit the two models' stages")
    Path(out_dir or "profiler", "profiler.html").write_text("<html></html>\n")


def _stage(model: nn.Module) -> int:
    state = state_of(model)
    return 2 if state.get("converted") else 1 if state.get("prepared") else 0


def _check_apart(first: nn.Module, second: nn.Module) -> None:
    """fx changes models in place: without a copy both names are one model."""
    theirs = {id(module) for module in second.modules()}
    if any(id(module) in theirs for module in first.modules()):
        raise RuntimeError("the two models share modules: deepcopy before the conversion")
