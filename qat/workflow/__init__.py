"""The workflow: one function a stage, `(config, progress) -> result`; only this room loads stages and orders them.

    from qat.config import load_config
    from qat import workflow

    config = load_config("streets/pidnet_s", ["QUANT.CALIB_IMAGES", "32"])
    workflow.calibrate(config)
    print(workflow.evaluate(config, stage="int_infer").verdict)

Nothing here prints or reads argv. `progress(done, total, text)` may be left out.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qat.workflow.calibration import calibrate
    from qat.workflow.compilation import compile
    from qat.workflow.debugging import debug
    from qat.workflow.demonstration import demo
    from qat.workflow.dump_comparison import compare
    from qat.workflow.evaluation import evaluate
    from qat.workflow.exporting import export
    from qat.workflow.fine_tuning import finetune
    from qat.workflow.handing_over import handover
    from qat.workflow.inference import infer
    from qat.workflow.regression import regress
    from qat.workflow.report_page import report
    from qat.workflow.taking_over import takeover
    from qat.workflow.target_check import check
    from qat.workflow.training import train
    from qat.workflow.video_inference import infer_video

_HOMES = {
    "calibrate": "calibration",
    "check": "target_check",
    "compare": "dump_comparison",
    "compile": "compilation",
    "debug": "debugging",
    "demo": "demonstration",
    "evaluate": "evaluation",
    "export": "exporting",
    "finetune": "fine_tuning",
    "handover": "handing_over",
    "infer": "inference",
    "infer_video": "video_inference",
    "regress": "regression",
    "report": "report_page",
    "takeover": "taking_over",
    "train": "training",
}
__all__ = [
    "calibrate",
    "check",
    "compare",
    "compile",
    "debug",
    "demo",
    "evaluate",
    "export",
    "finetune",
    "handover",
    "infer",
    "infer_video",
    "regress",
    "report",
    "takeover",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qat.workflow' has no attribute {name!r}")
    return getattr(import_module(f"qat.workflow.{_HOMES[name]}"), name)
