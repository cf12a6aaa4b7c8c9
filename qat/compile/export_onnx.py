"""One ONNX file of a calibrated network, proven before it is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from torch import Tensor, fx

from qat.backends.scales import quantisers
from qat.compile.onnx.values import SPELLINGS
from qat.compile.onnx.writer import Form, to_onnx
from qat.compile.verify.tensors import compare_tensors
from qat.errors import UserError, nearest
from qat.files import atomic_path
from qat.program.calibrated import CalibratedNetwork
from qat.program.departures import first_departure
from qat.runtimes import get_runtime
from qat.runtimes.optional import require


@dataclass(frozen=True)
class OnnxFile:
    """A written file: how many tensors were compared with the fake-quantised network, and the share of values of the
    worst one that fell one step to the other side.
    """

    path: Path
    tensors_compared: int
    largest_share_one_step_off: float


def export_onnx(
    calibrated: fx.GraphModule, path: str | Path, example: Tensor, runtime: str = "plain", form: Form | None = None
) -> OnnxFile:
    """Write the int8 network as QDQ ONNX, and prove it: each tensor against the fake-quantised network's.

    Args:
        calibrated: what `qat.prepare` gave, after `qat.calibrate`.
        path: of the file; written whole or not at all.
        example: a normalised float32 picture (N, 3, H, W), whose size the file takes and on which it is proven.
        runtime: how the same integers are written: plain (int8 with zero point 0), ort (uint8, for ONNX Runtime on
            x86) or openvino.
        form: operator set, open batch and stored texts; its ends are a normalised picture and logits.

    Returns:
        The file and what its proof found.

    Raises:
        UserError: where ONNX Runtime is missing, the network isn't calibrated, an operation has no ONNX form, or a
            tensor departs by more than rounding.

    Example:
        >>> import tempfile, torch, qat
        >>> network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1)).eval()
        >>> picture = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> calibrated = qat.prepare(qat.rewrite(network, picture, "x86"))
        >>> _ = qat.calibrate(calibrated, [picture])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = qat.export_onnx(calibrated, f"{folder}/network.onnx", picture, runtime="ort")
        >>> written.path.name, written.tensors_compared
        ('network.onnx', 3)
    """
    require(get_runtime("ort").module)
    _check(calibrated, runtime)
    network = CalibratedNetwork(calibrated, example)
    model = to_onnx(network.program, SPELLINGS[runtime], form)
    differences = compare_tensors(model, network, example.numpy(), example)
    if departed := first_departure(differences):
        raise UserError(f"{path} isn't written: {departed}; please report this network")
    with atomic_path(path) as aside:
        onnx.save(model, aside)
    return OnnxFile(
        Path(path), len({each.name for each in differences}), max(difference.share for difference in differences)
    )


def _check(calibrated: fx.GraphModule, runtime: str) -> None:
    if runtime not in SPELLINGS:
        raise UserError(f"unknown runtime {runtime} of an ONNX file; {nearest(runtime, SPELLINGS)}")
    rounded = [quantiser for _, quantiser in quantisers(calibrated)] if isinstance(calibrated, fx.GraphModule) else []
    if not rounded:
        raise UserError("export_onnx takes what qat.prepare gave, calibrated; this network has no observers")
    observers = [quantiser.observer for quantiser in rounded if quantiser.fixed is None and quantiser.observer.name]
    if observers and all(observer.dead for observer in observers):
        raise UserError("the network isn't calibrated: its observers saw no picture; call qat.calibrate first")
