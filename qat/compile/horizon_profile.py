"""Times per node on the board: what `hrt_model_exec perf --profile_path` leaves, profiler.log or node_profiler.log.

Source: HorizonRDK/rdk_x3_doc, intermediate/ptq_process.md, lines 1171 to 1280: two JSON objects split by `***`, the
second with `model_latency`, average, least and largest milliseconds by node. A fully quantised network is one BPU node.
Older pages of the same document show the second object alone, whose BPU node is `NAME_subgraph_0` without `BPU_`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from qat.compile.horizon_perf import BOARD, PerfRow
from qat.errors import UserError
from qat.tables import slim_table

SPLIT = "***"
BPU = re.compile(r"BPU_.*|.*_subgraph_\d+")  # nodes on the accelerator; a conversion's name goes on


@dataclass(frozen=True)
class NodeTime:
    """A node's time a frame, in ms. `on_bpu`: on the accelerator; else a conversion or layer on the CPU."""

    name: str
    on_bpu: bool
    average_ms: float
    least_ms: float
    largest_ms: float


@dataclass(frozen=True)
class BoardProfile:
    """What a profile says: the run's own row (None in older files), and its nodes, the longest first."""

    row: PerfRow | None
    nodes: tuple[NodeTime, ...]


def read_profile(path: Path) -> BoardProfile:
    """Read profiler.log; UserError for another file, or one that is cut short."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}; give profiler.log of --profile_path") from error
    return profile(text, str(path))


def profile(text: str, where: str = "the text") -> BoardProfile:
    """The profile in the text of a profiler.log.

    >>> log = '{"perf_result": {"FPS": 200, "average_latency": 5}, "running_condition": {"thread_num": 1}}'
    >>> log += '*** {"model_latency": {"BPU_net": {"avg_time": 4.5, "min_time": 4.4, "max_time": 5.0}}}'
    >>> profile(log).nodes[0].on_bpu, profile(log).row.fps
    (True, 200.0)
    """
    try:
        *run, nodes = (json.loads(part) for part in text.split(SPLIT))
        row = _row(*run) if run else None
        times = [_node(name, each) for name, each in nodes["model_latency"].items()]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(
            f"{where} isn't a whole profile (two JSON objects split by {SPLIT}): was the program stopped? Run "
            "hrt_model_exec perf --profile_path again"
        ) from error
    return BoardProfile(row, tuple(sorted(times, key=lambda node: -node.average_ms)))


def _row(run: dict[str, Any]) -> PerfRow:
    result, condition = run["perf_result"], run["running_condition"]
    latency, fps, threads = _figure(result["average_latency"]), _figure(result["FPS"]), _figure(condition["thread_num"])
    return PerfRow(BOARD, int(threads), latency, fps, core=condition.get("core_id"))


def _figure(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value} is no finite number")
    return float(value)


def _node(name: str, times: dict[str, Any]) -> NodeTime:
    average, least, largest = (_figure(times[key]) for key in ("avg_time", "min_time", "max_time"))
    return NodeTime(name, bool(BPU.fullmatch(name)), average, least, largest)


def node_table(nodes: Sequence[NodeTime]) -> Table:
    """The nodes for people; what isn't on the BPU is what to get rid of."""
    shown = slim_table(("node", "on", "ms", "least", "largest"), left=("node", "on"))
    for node in nodes:
        times = (f"{value:.3f}" for value in (node.average_ms, node.least_ms, node.largest_ms))
        shown.add_row(node.name, "BPU" if node.on_bpu else "CPU", *times)
    return shown
