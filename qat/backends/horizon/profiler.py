"""The vendor's own debugging tools, as far as this version of the plugin has them.

Names, arguments and results: HorizonRDK/rdk_x3_doc, docs/toolchain_development/expert/user_guide.md,
"quant_profiler". Each writes files of its own and prints; what one raises is a line, and the others go on.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from qat.backends.protocol import LayerSimilarity
from qat.graph.source import first_line

PATHS = ("horizon_plugin_profiler", "horizon_plugin_pytorch.utils.quant_profiler")  # from plugin 1.8.1 on, before
MEASURE = "SQNR"  # of featuremap_similarity: as our own layer errors
NAME, KIND, VALUE, LARGEST, ALONE = 1, 2, 3, 6, 7  # where a row of featuremap_similarity has them


@dataclass(frozen=True)
class Stages:
    """The plugin's networks with one set of weights: fused float, calib in state VALIDATION, integer."""

    floating: nn.Module
    calib: nn.Module
    converted: nn.Module


def profiler() -> Any | None:
    """The profiler's module under its new or its old name; None where this machine has neither."""
    for path in PATHS:
        try:
            return importlib.import_module(path)
        except ImportError:
            continue
    return None


def inspect(floating: nn.Module, prepared: nn.Module, example: Tensor, folder: Path) -> list[str]:
    """Ask check_qconfig, check_unfused_operations and get_module_called_count.

    Args:
        floating: fused, which check_unfused_operations alone takes.
        prepared: of the same network.
        example: a picture (N, 3, H, W) as the network takes it.
        folder: for qconfig_info.txt.

    Returns:
        Lines: the file, what could be fused and isn't, modules that are called never or more than once. None where
        there is no profiler.
    """
    tools = _Tools(folder)
    if tools.ask("check_qconfig", prepared, example, out_dir=str(folder)) is not _MISSING:
        tools.lines.append(f"qconfigs: {folder / 'qconfig_info.txt'}")
    for group in tools.rows("check_unfused_operations", floating, example):
        tools.lines.append(f"could be fused: {', '.join(map(str, group))}")
    counts = tools.ask("get_module_called_count", prepared, example)
    return tools.lines + (_odd_counts(counts) if isinstance(counts, Mapping) else [])


def compare(stages: Stages, example: Tensor, folder: Path) -> tuple[list[str], list[LayerSimilarity]]:
    """Ask featuremap_similarity, profile_featuremap, compare_weights and model_profiler.

    Args:
        stages: the networks; each pair of neighbours is compared.
        example: a picture (N, 3, H, W) as the network takes it.
        folder: for the tools' files.

    Returns:
        Lines on where the files lie, and each layer's similarity: SQNR in dB, the largest difference in scales.
    """
    tools, layers = _Tools(folder), list[LayerSimilarity]()
    pairs = {"calib": (stages.floating, stages.calib), "int_infer": (stages.calib, stages.converted)}
    for stage, pair in pairs.items():
        place = tools.folder(f"similarity_{stage}")
        found = tools.rows("featuremap_similarity", *pair, example, similarity_func=MEASURE, out_dir=place)
        layers += [row for each in found if (row := _similarity(stage, each))]
    features = tools.ask("get_raw_features", stages.calib, example)
    if features is not _MISSING:
        tools.ask("profile_featuremap", features, out_dir=tools.folder("statistic"))
    tools.ask("compare_weights", stages.floating, stages.calib, out_dir=tools.folder("weights"))
    for mode, pair in {"FvsQ": pairs["calib"], "QvsQ": pairs["int_infer"]}.items():
        tools.ask("model_profiler", *pair, example, mode, out_dir=tools.folder(f"profiler_{mode}"))
    return [*tools.lines, *tools.places()], layers


_MISSING = object()  # instead of the result of a tool that isn't there, or that raised


class _Tools:
    """The profiler's functions; `lines`: what they raised."""

    def __init__(self, folder: Path) -> None:
        self.module, self.base, self.lines = profiler(), folder, list[str]()
        self.asked: list[str] = []

    def ask(self, name: str, *args: Any, **keywords: Any) -> Any:
        """What the tool `name` gives."""
        tool = getattr(self.module, name, None)
        if tool is None:
            return _MISSING
        self.base.mkdir(parents=True, exist_ok=True)
        try:
            result = tool(*args, **keywords)
        except Exception as error:  # the plugin raises what it likes
            self.lines.append(f"the plugin's {name} raised {type(error).__name__}: {first_line(error)}")
            return _MISSING
        self.asked.append(name)
        return result

    def rows(self, name: str, *args: Any, **keywords: Any) -> Sequence[Any]:
        """The same for tools whose result is a list; empty for anything else."""
        found = self.ask(name, *args, **keywords)
        return found if isinstance(found, list | tuple) else ()

    def folder(self, name: str) -> str:
        """A folder for a tool's files, made where there are tools."""
        place = self.base / name
        if self.module is not None:
            place.mkdir(parents=True, exist_ok=True)
        return str(place)

    def places(self) -> list[str]:
        """Which tools wrote, and where."""
        return [f"the plugin's {', '.join(dict.fromkeys(self.asked))}: {self.base}"] if self.asked else []


def _odd_counts(counts: Mapping[str, int]) -> list[str]:
    unused = [name for name, count in counts.items() if count == 0]
    shared = [f"{name} ({count} times)" for name, count in counts.items() if count > 1]
    named = (("never called", unused), ("shared, so they share one scale", shared))
    return [f"{what}: {', '.join(names)}" for what, names in named if names]


def _similarity(stage: str, row: Sequence[Any]) -> LayerSimilarity | None:
    """A row of featuremap_similarity; None where it has no number, as for a layer that one network doesn't have.

    >>> _similarity("calib", [0, "layer1.0.conv1(1)", "Conv2d", 28.5, 0.01, 0.02, 2, 1]).layer
    'layer1_0_conv1_1'
    """
    if len(row) <= ALONE or (value := _number(row[VALUE])) is None:
        return None
    name = str(row[NAME])
    layer = re.sub(r"\((\d+)\)$", r"_\1", re.sub(r"\[\w+\]", "", name)).replace(".", "_")
    return LayerSimilarity(stage, name, layer, value, _number(row[LARGEST]), _number(row[ALONE]))


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
