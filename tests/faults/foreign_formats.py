"""Formats of files that come from elsewhere: a board's logs and dumps, the vendor's image, baselines."""

from __future__ import annotations

import io
import json
from pathlib import Path
from random import Random
from types import MappingProxyType

import numpy as np

from qat.compile.horizon_csv import read_profile_cells
from qat.compile.horizon_perf import read_board, read_perf
from qat.compile.horizon_profile import read_profile
from qat.evaluation.baseline import read_baseline
from qat.evaluation.dumps import DumpForm, compare_folders
from qat.files import sha256
from qat.handover.returned import read_returned
from qat.handover.runner.plan import PLAN, WEIGHTS
from tests.accuracy.runs import ROOT
from tests.faults.format import Format, files_of
from tests.faults.mutation import damaged, restructured

PERF = {"summary": {"FPS": 100.0, "latency (ms)": 10.0, "BPU OPs per frame (effective)": 12249856}}
BOARD = b"Thread number is: 8\nAverage latency is: 31.87 ms\nFrame rate is: 249.2 FPS\n"
PROFILE = {"perf_result": {"FPS": 244.2, "average_latency": 4.0}, "running_condition": {"core_id": 0, "thread_num": 1}}
NODES = {"model_latency": {"BPU_net_subgraph_0": {"avg_time": 3.4, "max_time": 3.8, "min_time": 3.1}}}
CELLS = b"node,avg_time,max_time,min_time\nBPU_net_subgraph_0,3.4,3.8,3.1\n"
READERS = MappingProxyType({".json": read_perf, ".log": read_board, ".txt": read_profile, ".csv": read_profile_cells})
PROBED = {"to_float": {"sqnr": 20.0}, "forward_seconds": 0.1}
STEPS = {"calibrate": {"scales": {"conv": 0.1}}, "calib_probe": PROBED, "int_probe": PROBED}
CLASSES = 2


def foreign_formats(root: Path) -> dict[str, Format]:
    """By name; `root`: a folder for whole files."""
    board = {"Net.json": json.dumps(PERF).encode(), "board.log": BOARD, "profiler.txt": _profile()}
    board |= {"profiler.csv": CELLS}
    baseline = {"b.yaml": (ROOT / "baselines" / "streets" / "pidnet_s.yaml").read_bytes()}
    back = root / "back"
    return {
        "board's logs": Format(board, lambda folder, name: READERS[Path(name).suffix](folder / name), either),
        "logits of a board": Format(_logits(), _compared),
        "baseline": Format(baseline, lambda folder, name: read_baseline(folder / name)),
        "results of the vendor's image": Format(_bundle(back), _returned, either, kept=(PLAN, WEIGHTS)),
    }


def either(content: bytes, rng: Random) -> bytes:
    """Damage to a JSON's structure, or to bytes."""
    try:
        tree = json.loads(content)
    except ValueError:
        return damaged(content, rng)
    return damaged(content, rng) if rng.random() < 0.5 else json.dumps(restructured(tree, rng)).encode()


def _profile() -> bytes:
    return f"{json.dumps(PROFILE)}\n***\n{json.dumps(NODES)}\n".encode()


def _logits() -> dict[str, bytes]:
    values, array = np.random.default_rng(0).normal(size=(CLASSES, 4, 6)).astype(np.float32), io.BytesIO()
    np.save(array, values)
    return {"ours/a.npy": array.getvalue(), "theirs/a.npy": array.getvalue(), "raw/a.bin": values.tobytes()}


def _compared(folder: Path, name: str) -> object:
    other = "raw" if name.startswith("raw") else "theirs"
    return compare_folders(folder / "ours", folder / other, DumpForm("nchw", 0, "float32"))


def _bundle(folder: Path) -> dict[str, bytes]:
    """The bundle's plan and weights, and what the image made of them."""
    folder.mkdir()
    logits = np.random.default_rng(0).normal(size=(2, CLASSES, 4, 6)).astype(np.float32)
    (folder / PLAN).write_text("{}")
    (folder / WEIGHTS).write_text("weights")
    np.savez(folder / "probes.npz", float=logits)
    np.savez(folder / "results.npz", calib=logits, int_infer=logits)
    figures = {"seconds": 1.0, "signal": 2.0, "noise": 1.0, "pixels": 24, "changed": 1}
    measured = {stage: figures | {"confusion": [[3, 1], [0, 4]]} for stage in ("calib", "int_infer")}
    results = {
        "format": 1,
        "plan_sha256": sha256(folder / PLAN),
        "weights_sha256": sha256(folder / WEIGHTS),
        "versions": {"plugin": "1.0"},
        "steps": {**STEPS, "evaluate": {"pictures": ["a"], "stages": measured}, "perf_model": {"perf": PERF}},
    }
    (folder / "results.json").write_text(json.dumps(results))
    return files_of(folder)


def _returned(folder: Path, _: str) -> object:
    return read_returned(folder, folder, [*STEPS, "evaluate"], ["a"], CLASSES)
