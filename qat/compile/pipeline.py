"""From a calibration to a folder of artefacts, each checked, compared and timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.compile.manifest import manifest_of
from qat.compile.network import Classes, Network, ends_of, load_network, metadata
from qat.compile.onnx.writer import Form
from qat.compile.perf import Report, Settings, artefacts_of, bench, write_report
from qat.compile.picture import write_picture
from qat.compile.verify.files import check_all
from qat.compile.verify.runtimes import Parity, compare_all
from qat.compile.verify.samples import Picture
from qat.compile.verify.stage_outputs import expect
from qat.compile.write_artefacts import write_files
from qat.errors import UserError
from qat.files import write_json, write_text
from qat.runtimes import NAMES, get_runtime

SMALL = 1 << 20  # pixels of a picture, above which one round is timed: make bench-runtimes takes its time


@dataclass(frozen=True)
class Compiled:
    """What a compilation made: the manifest, parity.json's content, and perf's report, None where it wasn't timed."""

    manifest: dict[str, Any]
    parity: Parity
    perf: Report | None


def compile_into(
    folder: Path, cfg: CfgNode, pictures: Sequence[Picture], classes: Classes, say: Callable[[str], None]
) -> Compiled:
    """Fill the empty `folder`. `pictures`: to compare on; `classes`: the dataset's; `say` tells what is next.

    Raises UserError for what the config asks and can't be had, and for a file that isn't right.
    """
    runtimes = wanted_runtimes(cfg)
    say("loading the calibration")
    network = load_network(cfg)
    form = Form(cfg.COMPILE.OPSET, cfg.COMPILE.DYNAMIC_BATCH, ends_of(cfg), metadata(cfg, classes))
    say("writing the artefacts")
    made, missing = write_files(network, form, folder, runtimes)
    write_picture(network.program, folder, _title(cfg))
    say("running the stages on the pictures")
    expected = expect(network, pictures, form.ends, cfg.DATASET.NUM_CLASSES)
    checks = check_all(folder, network, expected, form.ends, say)
    parity = compare_all(checks, made, folder, expected, runtimes, say)
    manifest = manifest_of(cfg, made, missing, folder, network.program.macs, parity) | {"checks": checks}
    write_json(folder / "manifest.json", manifest)
    write_text(folder / "config.yaml", cfg.dump())
    write_json(folder / "parity.json", parity)
    return Compiled(manifest, parity, _timed(cfg, folder, manifest, network, say))


def wanted_runtimes(cfg: CfgNode) -> list[str]:
    """COMPILE.RUNTIMES by name; those that are installed for auto. UserError for one that isn't, or doesn't exist."""
    names = list(cfg.COMPILE.RUNTIMES)
    if names == ["auto"]:
        return [name for name in NAMES if _is_installed(name)]
    for name in names:
        _ = get_runtime(name).version
    return names


def _is_installed(name: str) -> bool:
    with suppress(UserError):
        return bool(get_runtime(name).version)
    return False


def _title(cfg: CfgNode) -> str:
    return f"{cfg.MODEL.NAME} ({cfg.DATASET.DATASET}/{cfg.NAME})"


def _timed(
    cfg: CfgNode, folder: Path, manifest: dict[str, Any], network: Network, say: Callable[[str], None]
) -> Report | None:
    if not cfg.COMPILE.BENCH_ROUNDS:
        return None
    small = network.example[0, 0].numel() <= SMALL
    rounds, warmup = (cfg.COMPILE.BENCH_ROUNDS, 1) if small else (1, 0)
    say("timing every artefact in every runtime")
    command = f"make bench-runtimes CFG=configs/{cfg.DATASET.DATASET}/{cfg.NAME}.yaml"
    settings = Settings(_title(cfg), command, rounds, warmup)
    report = bench(folder, artefacts_of(manifest), network.example.contiguous().numpy(), settings)
    write_report(report, folder)
    return report
