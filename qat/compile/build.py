"""From a calibration to a folder of artefacts, each checked, compared and timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from yacs.config import CfgNode

from qat import stages
from qat.compile.made import BEST, Made
from qat.compile.network import Network, ends_of, load_network, metadata, size_of
from qat.compile.onnx_writer import Form
from qat.compile.parity import Expected, compare, expect
from qat.compile.perf import Settings, artefacts_of, bench, write_report
from qat.compile.picture import write_picture
from qat.compile.pictures import Picture
from qat.compile.right import check_onnx, check_script
from qat.compile.write import SPELLINGS, write_files
from qat.environment import environment
from qat.errors import UserError
from qat.files import write_json, write_text
from qat.runtimes import NAMES, get_runtime, installed

Parity = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Compiled:
    """What a compilation made: the manifest, parity.json's content, and perf's report, None where it wasn't timed."""

    manifest: dict[str, Any]
    parity: Parity
    perf: Any


def compile_into(
    folder: Path,
    cfg: CfgNode,
    pictures: Sequence[Picture],
    classes: Any,
    say: Callable[[str], None],
) -> Compiled:
    """Fill the empty `folder`. `pictures`: to compare on; `classes`: the dataset's class set; `say` tells what is next.

    Raises UserError for what the config asks and can't be had, and for a file that isn't right.
    """
    runtimes = wanted_runtimes(cfg)
    say("loading the calibration")
    network = load_network(cfg)
    form = Form(
        cfg.COMPILE.OPSET, cfg.COMPILE.DYNAMIC_BATCH, ends_of(cfg), metadata(cfg, classes.names, classes.palette)
    )
    say("writing the artefacts")
    made, missing = write_files(network, form, folder, runtimes)
    title = f"{cfg.MODEL.NAME}, {cfg.NAME}, {cfg.DATASET.DATASET}"
    write_picture(network.program, folder, title)
    say("running the stages on the pictures")
    expected = expect(network, pictures, cfg.MODEL.ALIGN_CORNERS, cfg.DATASET.NUM_CLASSES)
    parity = _checked(made, folder, network, expected, form, say)
    _compared(parity, made, folder, expected, runtimes, say)
    manifest = _manifest(cfg, made, missing, folder, network, parity)
    write_json(folder / "manifest.json", manifest)
    write_text(folder / "config.yaml", cfg.dump())
    write_json(folder / "parity.json", parity)
    return Compiled(manifest, parity, _timed(cfg, folder, manifest, network, title, say))


def wanted_runtimes(cfg: CfgNode) -> list[str]:
    """COMPILE.RUNTIMES by name; those that are installed for auto. UserError for one that isn't, or doesn't exist."""
    names = list(cfg.COMPILE.RUNTIMES)
    if names == ["auto"]:
        versions = installed()
        return [name for name in NAMES if not _is_missing(name, versions)]
    for name in names:
        _ = get_runtime(name).version
    return names


def _is_missing(name: str, versions: Mapping[str, str]) -> bool:
    try:
        return not get_runtime(name).version
    except UserError:
        return True


def _checked(
    made: Sequence[Made], folder: Path, network: Network, expected: Expected, form: Form, say: Callable[[str], None]
) -> Parity:
    """The files against the stages; parity's entries for the reference semantics."""
    say("checking int_model.pt bit for bit")
    check_script(folder / "int_model.pt", network, form.ends, list(expected.pictures[:2]))
    parity: Parity = {artefact.name: {} for artefact in made}
    for artefact in made:
        if artefact.name in SPELLINGS:
            say(f"checking {artefact.name} tensor by tensor")
            found = check_onnx(artefact, folder, network, expected, torch.get_num_threads())
            parity[artefact.name]["ort_reference"] = found | {"images": len(expected.pictures), "status": "ok"}
    return parity


def _compared(
    parity: Parity,
    made: Sequence[Made],
    folder: Path,
    expected: Expected,
    runtimes: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Add each artefact in each runtime that is wanted."""
    for artefact in made:
        for runtime in artefact.runtimes:
            if runtime in runtimes:
                say(f"comparing {artefact.name} in {runtime}")
                entry = compare(artefact, runtime, folder, expected, torch.get_num_threads())
                reference = parity[artefact.name].get("ort_reference", {}).get("agreement_reference")
                first = {} if reference is None else {"agreement_reference": reference}
                parity[artefact.name][runtime] = first | entry


def _manifest(
    cfg: CfgNode, made: Sequence[Made], missing: dict[str, str], folder: Path, network: Network, parity: Parity
) -> dict[str, Any]:
    ran = {name: [r for r in found if found[r].get("images") and r in NAMES] for name, found in parity.items()}
    records = {
        artefact.name: replace(artefact, runtimes=ran[artefact.name]).record(folder, network.program.macs)
        for artefact in made
    }
    width, height = size_of(cfg)
    return {
        "stage": "compiled",
        "made_from": stages.made_from(cfg, "calib"),
        "artefacts": records,
        "missing": missing,
        "best": {runtime: name for runtime, name in BEST.items() if runtime in ran.get(name, [])},
        "input": {"height": height, "width": width, "type": cfg.COMPILE.INPUT, "batch": _batch(cfg)},
        "output": cfg.COMPILE.OUTPUT,
        "opset": cfg.COMPILE.OPSET,
        "runtimes": installed(),
        "environment": environment(),
    }


def _batch(cfg: CfgNode) -> str:
    return "any" if cfg.COMPILE.DYNAMIC_BATCH else "1"


def _timed(
    cfg: CfgNode, folder: Path, manifest: dict[str, Any], network: Network, title: str, say: Callable[[str], None]
) -> Any:
    rounds = cfg.COMPILE.BENCH_ROUNDS
    if not rounds:
        return None
    say("timing every artefact in every runtime")
    settings = Settings(title, f"make bench-runtimes CFG=configs/{cfg.DATASET.DATASET}/{cfg.NAME}.yaml", rounds, 1)
    report = bench(folder, artefacts_of(manifest), network.example.contiguous().numpy(), settings)
    write_report(report, folder)
    return report
