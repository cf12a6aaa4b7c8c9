"""The calibrated network through Horizon's compiler: the files for the board, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor
from yacs.config import CfgNode

from qat.backends.horizon import HorizonBackend
from qat.backends.horizon.build import Settings, build
from qat.compile.horizon_perf import PerfRow, merged, perf_row
from qat.compile.network import size_of
from qat.data.yuv import rgb_to_centred_yuv
from qat.environment import environment
from qat.errors import UserError
from qat.files import sha256, write_json, write_text
from qat.folders import replaced_folder
from qat.models import build_model
from qat.workflow import stages
from qat.workflow.settings import backend_choice

HBM = "model.hbm"
HOW = {
    "int_model.pt": "the plugin's integer network, traced; loads only where the plugin is imported",
    "model.hbir": "export_hbir",
    HBM: "compile_model, for the board",
}


def horizon_compile(cfg: CfgNode, folder: Path) -> list[PerfRow]:
    """Replace `folder` by what `horizon_into` writes; UserError leaves it as it was."""
    with replaced_folder(folder) as aside:
        return horizon_into(aside, cfg)


def horizon_into(folder: Path, cfg: CfgNode) -> list[PerfRow]:
    """Fill the empty `folder` from the calibration of `cfg`; the compiler's estimate.

    Writes int_model.pt, model.hbir, model.hbm, <network>.svg, perf_out/, manifest.json, config.yaml and perf.json.
    UserError where the backend isn't horizon, or a call of the plugin fails.
    """
    backend = backend_choice(cfg).backend
    if not isinstance(backend, HorizonBackend):
        raise UserError("the board's files need QUANT.TARGET j5 and the plugin; see docs/j5.md")
    network = backend.for_device(stages.load_calibration(cfg, size_of(cfg)))
    example = device_example(cfg)
    found = build(backend.to_torchscript(network, example), example, folder, _settings(cfg))
    rows = [perf_row(found, "perf_model's result")]
    write_json(folder / "perf.json", merged({}, HBM, rows))
    write_json(folder / "manifest.json", _manifest(cfg, folder))
    write_text(folder / "config.yaml", cfg.dump())
    return rows


def device_example(cfg: CfgNode) -> Tensor:
    """A picture as the board gets it: normalised RGB, or for `pyramid` centred YUV444; (1, 3, H, W)."""
    example = stages.example_input(cfg, size_of(cfg)).contiguous()
    if cfg.COMPILE.INPUT_SOURCE != "pyramid":
        return example
    return rgb_to_centred_yuv((example * 64 + 128).clamp(0, 255))


def _settings(cfg: CfgNode) -> Settings:
    compiling, name = cfg.COMPILE, cfg.MODEL.NAME
    network, picture = type(build_model(name, cfg.DATASET.NUM_CLASSES)).__name__, name.replace("_", "-") + ".svg"
    return Settings(compiling.MARCH, compiling.INPUT_SOURCE, compiling.OPT, compiling.JOBS, network, picture)


def _manifest(cfg: CfgNode, folder: Path) -> dict[str, Any]:
    width, height = size_of(cfg)
    return {
        "stage": "compiled",
        "made_from": dict(stages.made_from(cfg, "compiled").values),
        "backend": backend_choice(cfg).record(),
        "artefacts": {name: _record(folder / name, how) for name, how in HOW.items()},
        "input": {"height": height, "width": width, "source": cfg.COMPILE.INPUT_SOURCE, "batch": "1"},
        "march": cfg.COMPILE.MARCH,
        "opt": cfg.COMPILE.OPT,
        "environment": environment(),
    }


def _record(path: Path, how: str) -> dict[str, Any]:
    return {"sha256": sha256(path), "bytes": path.stat().st_size, "how": how}
