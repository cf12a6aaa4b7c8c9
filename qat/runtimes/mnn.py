"""MNN, and its converter."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qat.deploy.sessions.mnn import MnnSession
from qat.files import atomic_path, scratch_folder
from qat.invocation import command
from qat.runtimes.adapter import Adapter, AdapterSession, Conversion
from qat.runtimes.artefact import QDQ_S8, QDQ_U8, SOURCE, Artefact
from qat.runtimes.child_process import in_child
from qat.runtimes.conversion import TOLERANCE, check_conversion, convertible
from qat.runtimes.optional import require

MNN, BEST = "MNN", "model_float.mnn"
BITS, STATIC = "--weightQuantBits", "--saveStaticModel"
QDQ_REFUSED = (
    "MNN's converter takes the channels of a QDQ file's input for its batch, says Converted Success! and writes a "
    f"network that can't run; convert {SOURCE}, as fp32, fp16 or with 8-bit weights"
)


@dataclass(frozen=True)
class MnnSettings:
    """Switches of the converter.

    `optimize`: 1 changes the graph only where every input gives the same; 2 where usual inputs do (`--optimizeLevel`,
    https://github.com/alibaba/MNN/blob/2.6.1/docs/tools/convert.md). `weight_bits`: of the file with few bits a weight,
    2 to 8 (`--weightQuantBits`): scales are those of the weights themselves, and no pictures are needed.
    """

    optimize: int = 1
    weight_bits: int = 8


def conversions(settings: MnnSettings) -> tuple[Conversion, ...]:
    """The forms of a .mnn file.

    >>> [conversion.name for conversion in conversions(MnnSettings(weight_bits=4))][2:]
    ['model_float_w4.mnn', 'model_float_static.mnn']
    """
    level, bits = settings.optimize, settings.weight_bits
    more = "" if level == MnnSettings.optimize else f", optimizeLevel {level}"
    both = ("--optimizeLevel", str(level))
    return (
        Conversion(BEST, f", fp32{more}", both),
        Conversion("model_float_fp16.mnn", f", weights in fp16{more}", ("--fp16", *both), is_exact=False),
        Conversion(
            f"model_float_w{bits}.mnn", f", weights in {bits} bits{more}", (BITS, str(bits), *both), is_exact=False
        ),
        Conversion("model_float_static.mnn", f", shapes stored{more}", (STATIC, *both)),
    )


class Mnn(Adapter):
    """Computes in float32, whatever form the weights are stored in."""

    name, module, package = "mnn", "MNN", "MNN"
    kinds, best, suffixes = (MNN,), BEST, {".mnn": MNN}
    conversions = conversions(MnnSettings())

    def refusal(self, kind: str) -> str:
        """QDQ files have a reason of their own."""
        return QDQ_REFUSED if kind in (QDQ_S8, QDQ_U8) else f"it takes .mnn files; {command('compile')} writes them"

    def convert(self, source: str | Path, destination: str | Path, options: Sequence[str] = ()) -> None:
        """See `Adapter.convert`; the converter may crash, and runs in a child process."""
        require(self.module)
        artefact = convertible(self.name, source, QDQ_REFUSED)
        with scratch_folder() as folder:
            converted = folder / "model.mnn"
            in_child(f"{self}'s converter", f"converting {source}", convert, artefact, converted, tuple(options))
            with atomic_path(destination) as aside:
                shutil.copyfile(converted, aside)

    def _open(self, artefact: Artefact, threads: int) -> AdapterSession:
        return _MnnSession(str(self), artefact, threads, self.device)


class _MnnSession(AdapterSession):
    def __init__(self, who: str, artefact: Artefact, threads: int, device: str) -> None:
        self._session = MnnSession(artefact.path, threads, device)
        super().__init__(who, labelled(artefact, self._session.label))

    def _run(self, x: np.ndarray) -> list[np.ndarray]:
        return self._session.run(x)


def convert(source: Artefact, destination: Path, options: Sequence[str]) -> None:
    """Convert and check in this process; the converter prints, and may crash. Raises as `check_conversion` does."""
    # not MNN.tools: it runs pip when it is imported
    import _tools

    files = ["-f", "ONNX", "--modelFile", str(source.path), "--MNNModel", str(destination)]
    shaped = replace(source, shape=(source.shape[0] or 1, *source.shape[1:])) if STATIC in options else source
    _tools.mnnconvert(["mnnconvert", *files, "--bizCode", label(shaped), *options])
    check_conversion(Mnn(), destination, source.path, tolerance(options))


def tolerance(options: Sequence[str]) -> float:
    """How far off a right file may be: rounding weights errs twice as much for each bit less.

    >>> tolerance(["--fp16"]), tolerance(["--weightQuantBits", "6"])
    (0.1, 0.4)
    """
    bits = int(options[options.index(BITS) + 1]) if BITS in options else MnnSettings.weight_bits
    return float(TOLERANCE * 2 ** (MnnSettings.weight_bits - bits))


def label(artefact: Artefact) -> str:
    """What an artefact takes, as text for the .mnn file's label (it has no other place for it): float32:1x3x360x480."""
    return f"{artefact.dtype}:" + "x".join("N" if size is None else str(size) for size in artefact.shape)


def labelled(artefact: Artefact, text: str) -> Artefact:
    """`artefact` with the type and size that `label` wrote; as it is if something else made the file."""
    match = re.fullmatch(r"(float32|uint8):((?:\d+|N)(?:x(?:\d+|N)){3})", text)
    if match is None:
        return artefact
    shape = tuple(None if size == "N" else int(size) for size in match[2].split("x"))
    return replace(artefact, shape=shape, dtype=np.dtype(match[1]))
