"""From a calibrated network to a folder of artefacts, each checked, compared and timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from qat.backends.fx import to_torchscript
from qat.backends.scales import spec_of
from qat.compile.artefacts import ArtefactSpec, artefacts
from qat.compile.deploy_archive import ARCHIVE, write_archive
from qat.compile.io_wrapper import IOWrapper
from qat.compile.network import Network
from qat.compile.onnx.io_spec import IOSpec
from qat.compile.onnx.values import SPELLINGS
from qat.compile.onnx.writer import Form, to_onnx
from qat.compile.perf import BenchSettings, SpeedReport, artefacts_of, bench, write_report
from qat.compile.picture import write_picture
from qat.compile.verify.files import check_all
from qat.compile.verify.runtimes import Parity, absent, compare_all
from qat.compile.verify.samples import ParitySample
from qat.compile.verify.stage_outputs import stage_outputs
from qat.deploy.facts import read_text
from qat.deploy.metadata import BESIDE, onnx_metadata
from qat.engine import PROGRAM, choose_engine
from qat.errors import UserError
from qat.evaluation.tasks import SEGMENTATION, Task
from qat.files import write_json
from qat.program.conversion import Kernels, choose_kernels, int8_network
from qat.runtimes import BEST, NAMES, get_runtime, installed
from qat.runtimes.artefact import SOURCE
from qat.runtimes.mnn import MnnSettings
from qat.runtimes.optional import require
from qat.runtimes.torchscript import save_script
from qat.stages.folders import INT_MODEL, PARITY

AUTO = ("auto",)  # the runtimes that are installed
SMALL = 1 << 20  # pixels of a picture, above which one round is timed: make bench-runtimes takes its time


@dataclass(frozen=True)
class CompileSettings:
    """What to write and how much to measure.

    `title`: of the network, for its pictures and the page of speeds; `command`: what measures speed again, for that
    page. `runtimes`: names, or AUTO. `mnn`: its converter's switches. `bench_rounds`: timed rounds, 0 for no speeds.
    `picture`: the manifest's words on pictures that are fitted (`qat.data.fit`).
    """

    title: str
    form: Form
    num_classes: int
    runtimes: tuple[str, ...] = AUTO
    task: Task = SEGMENTATION
    mnn: MnnSettings = field(default_factory=MnnSettings)
    bench_rounds: int = 0
    command: str = ""
    picture: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CompiledFolder:
    """What a folder holds: its record for the manifest, parity.json's content, and its speeds where they were timed."""

    record: Mapping[str, Any]
    parity: Parity
    perf: SpeedReport | None


def compile_into(
    folder: Path,
    network: Network,
    samples: Sequence[ParitySample],
    settings: CompileSettings,
    log: Callable[[str], None],
) -> CompiledFolder:
    """Fill the empty `folder`. `samples`: the pictures to compare on. `log` takes the name of each step.

    Raises UserError for what the settings ask and can't be had, and for a file that isn't right.
    """
    runtimes, form = chosen_runtimes(settings.runtimes), settings.form
    kernels = choose_kernels(network, samples[0].normalised)
    log(str(kernels))
    int8 = _int_infer(network, kernels)
    log("writing the artefacts")
    specs = artefacts(settings.mnn)
    written, missing = write_files(specs, network, kernels, form, folder, runtimes)
    write_beside(folder)
    write_archive(folder / ARCHIVE)
    write_picture(network.program, folder, settings.title)
    log("running the stages on the pictures")
    outputs = stage_outputs(network, int8, samples, form.io, settings.num_classes, settings.task)
    checks = check_all(folder, network, int8, outputs, form.io, log)
    parity = compare_all(checks, written, folder, outputs, runtimes, log) | absent(missing, specs)
    write_json(folder / PARITY, parity)
    record = _record(folder, network, form, written, parity) | {"missing": missing, "checks": checks}
    record["kernels"] = asdict(kernels)
    record["input"] |= settings.picture
    return CompiledFolder(record, parity, _timed(folder, network, record, settings, log))


def _int_infer(network: Network, kernels: Kernels) -> nn.Module:
    """Stage int_infer by these kernels."""
    int8 = int8_network(network, kernels)
    return int8 if kernels.name == PROGRAM else to_torchscript(int8, network.example)


def chosen_runtimes(names: Sequence[str]) -> list[str]:
    """`names`, or for AUTO those that are installed. UserError where one isn't, or doesn't exist.

    ONNX Runtime has to be: every ONNX file is proven in it.
    """
    require(get_runtime("ort").module)
    if tuple(names) == AUTO:
        return [name for name in NAMES if _is_installed(name)]
    for name in names:
        _ = get_runtime(name).version
    return list(names)


def _is_installed(name: str) -> bool:
    with suppress(UserError):
        return bool(get_runtime(name).version)
    return False


def _record(
    folder: Path, network: Network, form: Form, written: Sequence[ArtefactSpec], parity: Parity
) -> dict[str, Any]:
    """The manifest's part on the files; the runtimes of each are those that ran it."""
    ran = {spec.name: [name for name, entry in parity[spec.name].items() if "images" in entry] for spec in written}
    channels, height, width = network.example.shape[1:]
    more = {} if channels == 3 else {"channels": channels}
    batch, macs = "any" if form.dynamic_batch else "1", network.program.macs
    return {
        "artefacts": {spec.name: spec.record(folder, macs, ran[spec.name]) for spec in written},
        "best": {runtime: name for runtime, name in BEST.items() if runtime in ran.get(name, [])},
        "input": {"height": height, "width": width, "type": form.io.source, "batch": batch, **more},
        "output": form.io.result,
        "opset": form.opset,
        "runtimes": installed(),
    }


def _timed(
    folder: Path,
    network: Network,
    record: Mapping[str, Any],
    settings: CompileSettings,
    log: Callable[[str], None],
) -> SpeedReport | None:
    if not settings.bench_rounds:
        return None
    small = network.example[0, 0].numel() <= SMALL
    rounds, warmup = (settings.bench_rounds, 1) if small else (1, 0)
    log("timing every artefact in every runtime")
    how = BenchSettings(settings.title, settings.command, rounds, warmup)
    report = bench(folder, artefacts_of(record), network.example.contiguous().numpy(), how)
    write_report(report, folder)
    return report


def write_files(
    specs: Sequence[ArtefactSpec],
    network: Network,
    kernels: Kernels,
    form: Form,
    folder: Path,
    runtimes: Sequence[str],
) -> tuple[list[ArtefactSpec], dict[str, str]]:
    """Write the artefacts; returns those that were written, and why others are missing.

    `runtimes`: those to convert for; the other files need no converter. UserError as `to_onnx`.
    """
    missing = {INT_MODEL: kernels.reason} if kernels.name == PROGRAM else {}  # oneDNN's plain kernels can't be traced
    for spec in specs:
        if spec.name in missing:
            continue
        if not spec.converter:
            _write(spec, network, form, folder / spec.name)
        elif spec.converter in runtimes and (why := _convert(spec, folder)):
            missing[spec.name] = why
    return [spec for spec in specs if (folder / spec.name).is_file()], missing


def write_beside(folder: Path) -> None:
    """Write what the float file says of itself as model.json, for the formats that keep no such texts."""
    texts = onnx_metadata((folder / SOURCE).read_bytes())
    write_json(folder / BESIDE, {key: read_text(text) for key, text in texts.items()})


def _write(spec: ArtefactSpec, network: Network, form: Form, path: Path) -> None:
    if spec.spelling:
        program = network.program if spec.is_int8 else network.float_program
        onnx.save(to_onnx(program, SPELLINGS[spec.spelling], form), path)
    elif spec.is_int8:
        engine = choose_engine(spec_of(network.prepared).engine).name
        save_network(network.converted, network.example, form.io, path, engine)
    else:
        save_network(network.floating, network.example, form.io, path)


def save_network(model: nn.Module, example: Tensor, io: IOSpec, path: Path, engine: str = "") -> None:
    """Trace and freeze `model` between its input and output, and save it with the engine of its int8 kernels."""
    picture = (example * 64 + 128).clamp(0, 255).to(torch.uint8) if io.source == "uint8" else example.contiguous()
    save_script(to_torchscript(IOWrapper(model, io).eval(), picture), path, engine)


def _convert(spec: ArtefactSpec, folder: Path) -> str:
    """Make a file that needs a converter; returns why it can't be made, or empty."""
    try:
        get_runtime(spec.converter).convert(folder / spec.source, folder / spec.name, spec.options)
    except UserError as error:
        return str(error).replace(f"{folder}/", "")
    return ""
