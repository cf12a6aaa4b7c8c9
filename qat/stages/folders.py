"""The folders and file names of a run's stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STAGES = ("float", "calib", "qat", "int_infer", "compiled")
CHECKPOINTS = {"calib": "calib-checkpoint-last.ckpt", "qat": "qat-checkpoint-last.ckpt"}  # of stages with scales
PARTIAL = "calib-checkpoint.ckpt"  # an unfinished calibration's
EQUALISED = "equalised.ckpt"  # the float network as equalisation left it
FIGURES = "evaluation.json"  # a stage's figures with what they were measured on; the next two are written out of it
MANIFEST = "manifest.json"
METRICS = "metrics.json"
METHODS = "methods.json"  # what each method of a calibration did
HANDOVER = "handover"  # the folder of the bundle for the vendor's image
HANDOVER_PTQ = "handover_ptq"  # the folder for hb_mapper
PERF_STAGE = "perf"  # its compiler's estimate of speed
PLUGIN = "plugin"  # the folder of the stages that the vendor's image computed
DUMP = "dump"  # in a stage's folder: raw logits, a file a picture
IMAGES = "images.txt"  # the pictures that a calibration saw
CONFIG = "config.yaml"
PARITY = "parity.json"  # of the compile folder, like the next
PERF = "perf.json"
THREADS = "threads.json"
PROGRAMS = "programs.json"  # of the run's folder: the TorchScript files that it compiled
INT_MODEL = "int_model.pt"  # int_infer as a file
INT8_ONNX = "model.onnx"  # the same integers for any runtime that reads ONNX
VIDEO = ".video.json"  # what the name of a video's record ends with
KERNELS = "kernels.json"  # what computes stage int_infer, and why
QPARAMS = "qparams.json"  # of stages with scales
GRAPH = "graph.html"  # of the debug and compile folders


@dataclass(frozen=True)
class Folders:
    """A run's folders. `base`: OUTPUT_DIR/<data set>/<config name>. `runtime`: the one that stage compiled runs in."""

    base: Path
    runtime: str = ""

    def stage(self, name: str) -> Path:
        """Returns the folder of a stage; stage compiled has compile/eval/<runtime>.

        >>> Folders(Path("output/streets/pidnet_s"), "ort").stage("compiled").as_posix()
        'output/streets/pidnet_s/compile/eval/ort'
        """
        return self.base / "compile" / "eval" / self.runtime if name == "compiled" else self.base / name

    def checkpoint(self, stage: str) -> Path:
        """Returns the file of stage calib's or qat's weights and scales."""
        return self.stage(stage) / CHECKPOINTS[stage]

    def title(self, stage: str) -> str:
        """Returns a stage's name in tables; that of compiled has its runtime.

        >>> Folders(Path(), "ort").title("compiled")
        'compiled ort'
        """
        return f"compiled {self.runtime}" if stage == "compiled" else stage
