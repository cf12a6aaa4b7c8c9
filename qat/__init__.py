"""rtseg-qat: a float segmentation network becomes an int8 one, with its accuracy proven at every stage."""

from qat.backends.fx import convert, fake_quantised, prepare
from qat.backends.spec import QuantSpec
from qat.calibration import calibrate
from qat.errors import UserError
from qat.evaluation import evaluate
from qat.graph import check, rewrite
from qat.models import build_model, load_checkpoint
from qat.stages import load_stage
from qat.version import __version__

__all__ = [
    "QuantSpec",
    "UserError",
    "__version__",
    "build_model",
    "calibrate",
    "check",
    "convert",
    "evaluate",
    "fake_quantised",
    "load_checkpoint",
    "load_stage",
    "prepare",
    "rewrite",
]
