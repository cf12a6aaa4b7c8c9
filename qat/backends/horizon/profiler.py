"""The plugin's own checks of a prepared network, wherever this version keeps them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from qat.backends.horizon.plugin import call

PATHS = ("horizon_plugin_profiler", "horizon_plugin_pytorch.utils.quant_profiler")  # from plugin 1.8.1 on, before
_ADVICE = "the network is prepared all the same; look at it with the vendor's documentation"


def profiler() -> Any | None:
    """The profiler's module under its new or its old name; None where this machine has neither."""
    for path in PATHS:
        try:
            return importlib.import_module(path)
        except ImportError:
            continue
    return None


def inspect(prepared: nn.Module, example: Tensor, folder: Path) -> list[str]:
    """Lines for the user: where qconfig_info.txt lies, and the modules that are called never or more than once.

    Runs check_qconfig, check_unfused_operations and get_module_called_count as far as this version has them; they print
    for themselves too. Empty where there is no profiler.
    """
    module = profiler()
    if module is None:
        return []
    lines = []
    folder.mkdir(parents=True, exist_ok=True)
    if check := getattr(module, "check_qconfig", None):
        call(check, prepared, example, out_dir=str(folder), advice=_ADVICE)
        lines.append(f"qconfigs: {folder / 'qconfig_info.txt'}")
    if check := getattr(module, "check_unfused_operations", None):
        call(check, prepared, example, advice=_ADVICE)
    if count := getattr(module, "get_module_called_count", None):
        lines += _odd_counts(call(count, prepared, example, advice=_ADVICE))
    return lines


def _odd_counts(counts: dict[str, int]) -> list[str]:
    unused = [name for name, count in counts.items() if count == 0]
    shared = [f"{name} ({count} times)" for name, count in counts.items() if count > 1]
    named = (("never called", unused), ("shared, so they share one scale", shared))
    return [f"{what}: {', '.join(names)}" for what, names in named if names]
