"""Every command on the tiny network: its words, and what is run before it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from yacs.config import CfgNode

from qat.cli.main import main
from qat.files import sha256
from qat.handover.runner.plan import PLAN, PROBES, WEIGHTS
from qat.stages import finished_stages
from qat.video.encoders import choose_codec
from qat.video.street import write_street
from qat.workflow.run import run_of
from tests.faults.conftest import options
from tests.faults.foreign_formats import PERF, STEPS

SOME = ("QUANT.EQUALISE", "True", "QUANT.BIAS_CORRECTION", "True")
J5 = ("QUANT.TARGET", "j5", "QUANT.EQUALISE", "True")
TIMES = ("seconds", "forward_seconds", "environment")  # of figures: never the same
Words = tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """`words`: of the command line, `{root}` and `{weights}` filled in. `before`: commands, and what prepares files.

    `options`: KEY VALUE pairs. `config`: whether it takes the run's config. `once`: it refuses to do it again.
    """

    words: Words
    before: tuple[Words | Callable[[Path], None], ...] = ()
    options: tuple[str, ...] = SOME
    config: bool = True
    once: bool = False

    def prepare(self, root: Path, weights: Path) -> None:
        """Runs what comes before."""
        for step in self.before:
            if callable(step):
                step(root)
            else:
                self._call(step, root, weights)

    def run(self, root: Path, weights: Path) -> None:
        """Runs the command in this process; AssertionError where it fails."""
        assert self.call(root, weights) == 0

    def call(self, root: Path, weights: Path) -> int:
        """Runs the command in this process; returns its exit code."""
        return main(self._line(self.words, root, weights, self.config))

    def _call(self, words: Words, root: Path, weights: Path) -> None:
        assert main(self._line(words, root, weights, True)) == 0

    def _line(self, words: Words, root: Path, weights: Path, config: bool) -> list[str]:
        filled = [word.format(root=root, weights=weights) for word in words]
        return [*filled, *(options(root, *self.options, "TEST.MODEL_FILE", str(weights)) if config else [])]


def without_times(cfg: CfgNode) -> dict[str, dict[str, Any]]:
    """What a run shows of its stages, but times."""
    shown = finished_stages(run_of(cfg))
    return {
        stage: {name: value for name, value in metrics.items() if name not in TIMES} for stage, metrics in shown.items()
    }


def _folders(root: Path) -> None:
    """Pictures and labels in folders of their own."""
    for name in ("pictures", "masks"):
        (root / name).mkdir(exist_ok=True)
    for path in (root / "data").glob("?.png"):
        shutil.copy(path, root / "pictures" / path.name)
        shutil.copy(path.with_name(f"{path.stem}_label.png"), root / "masks" / path.name)


def _street(root: Path) -> None:
    """A video of a street."""
    if not list(root.glob("street.*")):
        write_street(root, frames=6, size=(32, 32))


def _estimate(root: Path) -> None:
    (root / "perf.json").write_text(json.dumps(PERF))


def _brought_back(root: Path) -> None:
    """The vendor's image ran the bundle, whose logits are calib's there too."""
    bundle, back = root / "output/cityscapes/tiny/handover", root / "back"
    back.mkdir(exist_ok=True)
    with np.load(bundle / PROBES) as probes:
        np.savez(back / "results.npz", calib=probes["float"], int_infer=probes["float"])
    digests = {f"{name}_sha256": sha256(bundle / file) for name, file in (("plan", PLAN), ("weights", WEIGHTS))}
    results = {"format": 1, "versions": {"plugin": "1.0"}, "steps": STEPS, **digests}
    (back / "results.json").write_text(json.dumps(results))


EVAL = ("eval", "--stage")
VIDEO = f"{{root}}/street{choose_codec().suffix}"
FLOAT, CALIB, INT8 = (*EVAL, "float"), (*EVAL, "calib"), (*EVAL, "int_infer")
BASELINE = ("--baseline", "{root}/output/baseline.yaml", "--update")
NEW = ("new", "--model", "tiny", "--images", "{root}/pictures", "--labels", "{root}/masks", "--output")
COMMANDS: dict[str, Command] = {
    "train": Command(("train",)),
    "eval float": Command(FLOAT),
    "calib": Command(("calib",), (FLOAT,)),
    "eval calib": Command(CALIB, (("calib",),)),
    "eval int_infer": Command(INT8, (("calib",), FLOAT)),
    "qat": Command(("qat",), (("calib",), CALIB)),
    "compile": Command(("compile",), (("calib",),)),
    "eval compiled": Command((*EVAL, "compiled"), (("calib",), ("compile",), FLOAT)),
    "debug": Command(("debug",), (("calib",),)),
    "report": Command(("report", "--images", "0"), (("calib",), CALIB)),
    "infer": Command(("infer", "--input", "{root}/data/list.txt")),
    "infer --logits": Command(("infer", "--logits", "--input", "{root}/data/list.txt")),
    "infer a video": Command(("infer", "--input", VIDEO, "--batch", "2"), (_street,)),
    "export": Command(("export", "--weights", "{weights}", "--output", "{root}/output/half.safetensors")),
    "export ONNX": Command(("export", "--output", "{root}/output/net.onnx", "--opset", "11")),
    "opset": Command(
        ("opset", "{root}/output/net.onnx", "--to", "17"),
        (("export", "--output", "{root}/output/net.onnx", "--opset", "11"),),
        config=False,
    ),
    "new": Command((*NEW, "{root}/output/made", "TEST.MODEL_FILE", "{weights}"), (_folders,), config=False, once=True),
    "board": Command(("board", "--perf", "{root}/perf.json"), (_estimate,)),
    "bench-runtimes": Command(("bench-runtimes", "--rounds", "1", "--warmup", "0"), (("calib",), ("compile",))),
    "handover": Command(("handover",), (("calib",),), J5),
    "takeover": Command(("takeover", "{root}/back"), (("calib",), ("handover",), _brought_back), J5),
    "regress": Command(("regress", *BASELINE)),
}
"""Those that write."""

OTHERS: dict[str, Command] = {
    "check": Command(("check",)),
    "compare": Command(
        ("compare", *2 * ("{root}/output/cityscapes/tiny/float/dump",)),
        (("infer", "--logits", "--input", "{root}/data/list.txt"),),
    ),
    "demo": Command(("demo",), (), (*SOME, "QUANT.GATE", "0.0001")),
    "bench": Command(("bench", "--rounds", "1", "--images", "2")),
}
"""Those that only read, or are made of the others."""
