"""One loader for every stage, and what each stage's folder says about where it came from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from qat.backends import calibration
from qat.backends.protocol import Prepared
from qat.backends.select import choose_backend
from qat.backends.spec import QuantSpec
from qat.config import with_values
from qat.engine import choose_engine
from qat.environment import environment
from qat.errors import UserError, nearest
from qat.files import locate, read_json, sha256, write_json, write_text
from qat.graph import Rewritten, rewrite
from qat.models import build_model, load_checkpoint

STAGES = ("float", "calib", "qat", "int_infer", "compiled")
SCALED = {"calib": calibration.LAST, "qat": "qat-checkpoint-last.ckpt"}  # stages with scales, and their checkpoints
_FLOAT_KEYS = (
    "MODEL.NAME",
    "MODEL.ALIGN_CORNERS",
    "DATASET.DATASET",
    "DATASET.NUM_CLASSES",
    "DATASET.MEAN",
    "DATASET.STD",
)
_QUANT_KEYS = (
    "TEST.IMAGE_SIZE",
    "QUANT.TARGET",
    "QUANT.SCHEME",
    "QUANT.OBSERVER",
    "QUANT.WEIGHT_OBSERVER",
    "QUANT.PERCENTILE",
    "QUANT.AVERAGING_CONSTANT",
    "QUANT.HIGH_PRECISION",
    "QUANT.CALIB_IMAGES",
    "QUANT.CALIB_BATCH_SIZE",
    "QUANT.HELD_OUT_IMAGES",
    "QUANT.EQUALISE",
    "QUANT.ADAROUND",
    "QUANT.RECONSTRUCT",
    "QUANT.RECONSTRUCT_STEPS",
    "QUANT.BIAS_CORRECTION",
    "QUANT.MAX_DROP",
)


def load_stage(cfg: CfgNode, stage: str) -> nn.Module:
    """A stage of the network, ready to call: (N, 3, H, W) normalised float32 -> logits (N, classes, h, w).

    `stage`: float, calib and qat (fake-quantised), int_infer (int8 kernels) or compiled (COMPILE.RUNTIME's artefact,
    which takes pictures as its manifest says). float, calib and qat run on `DEVICE`, the others on the CPU. calib, qat
    and int_infer take images of TEST.IMAGE_SIZE. Raises UserError when the stage before is missing or was made from
    other weights or another config.
    """
    if stage not in STAGES:
        raise UserError(f"unknown stage {stage}; {nearest(stage, STAGES)}")
    if stage == "float":
        return load_float(cfg).to(device(cfg), memory_format=torch.channels_last)  # type: ignore[call-overload]
    if stage == "compiled":
        from qat.compile.stage import load_compiled  # it builds on this module

        return load_compiled(cfg)
    backend = choose_backend(cfg).backend
    prepared = load_calibration(cfg, stage=stage if stage in SCALED else None)
    if stage in SCALED:
        return Sized(backend.fake_quantised(prepared).to(device(cfg)), cfg.TEST.IMAGE_SIZE)
    script = backend.to_torchscript(backend.convert(prepared), example_input(cfg))
    return Sized(script, cfg.TEST.IMAGE_SIZE)


def stage_device(cfg: CfgNode, stage: str) -> torch.device:
    """Where a stage runs: int8 kernels and runtimes are the CPU's."""
    return torch.device("cpu") if stage in ("int_infer", "compiled") else device(cfg)


def device(cfg: CfgNode) -> torch.device:
    """The device that DEVICE names; `auto` is CUDA where there is one."""
    if cfg.DEVICE == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=cfg.DEVICE).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"DEVICE {cfg.DEVICE} can't be used here: {str(error).splitlines()[0]}; try auto or cpu"
        ) from error


class Sized(nn.Module):
    """A network whose graph holds its picture size: says so when it gets another one."""

    def __init__(self, network: nn.Module, image_size: list[int]) -> None:
        super().__init__()
        self.network = network
        self.width, self.height = image_size

    def forward(self, x: Tensor) -> Tensor:
        """Logits of `x`, (N, 3, height, width)."""
        height, width = x.shape[-2:]
        if (height, width) != (self.height, self.width):
            raise UserError(
                f"the picture is {width}x{height} and the int8 graph is built for TEST.IMAGE_SIZE "
                f"{self.width}x{self.height}; set TEST.IMAGE_SIZE {width},{height} and run make calib"
            )
        return self.network(x)


def load_float(cfg: CfgNode) -> nn.Module:
    """The float network in predict form with TEST.MODEL_FILE's weights, in eval mode on the CPU."""
    model = build_model(cfg.MODEL.NAME, cfg.DATASET.NUM_CLASSES)
    load_checkpoint(model, model_file(cfg))
    return model.eval()


def model_file(cfg: CfgNode) -> Path:
    """Where TEST.MODEL_FILE lies; UserError if the key is empty or there is no file."""
    if not cfg.TEST.MODEL_FILE:
        raise UserError("TEST.MODEL_FILE is empty; set it to the float checkpoint (.pt, .pth, .safetensors)")
    path = locate(cfg.TEST.MODEL_FILE)
    if not path.is_file():
        raise UserError(f"no float checkpoint at {path}; set TEST.MODEL_FILE to a .pt, .pth or .safetensors file")
    return path


def example_input(cfg: CfgNode, size: list[int] | None = None) -> Tensor:
    """A picture of fixed noise, (1, 3, H, W); `size`: width and height, TEST.IMAGE_SIZE by default."""
    width, height = size or cfg.TEST.IMAGE_SIZE
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    return noise.contiguous(memory_format=torch.channels_last)


def load_prepared(cfg: CfgNode, prove: bool = True, size: list[int] | None = None) -> tuple[Prepared, Rewritten]:
    """The float network rewritten for QUANT.TARGET, with the backend's observers, which have seen nothing yet.

    `prove` compares the outputs before and after each rewrite; not needed again where calibration did it. `size`: width
    and height of the pictures, TEST.IMAGE_SIZE by default.
    """
    rewritten = rewrite(load_float(cfg), example_input(cfg, size), cfg.QUANT.TARGET, prove=prove)
    return choose_backend(cfg).backend.prepare(rewritten, QuantSpec.from_cfg(cfg)), rewritten


def load_calibration(cfg: CfgNode, size: list[int] | None = None, stage: str | None = None) -> Prepared:
    """The observed network with a finished stage's weights and scales, for pictures of `size`.

    `stage`: calib or qat; by default the one that later stages start from (`source`).
    """
    prepared, _ = load_prepared(cfg, prove=False, size=size)
    stage = stage or source(cfg)
    calibration.load(prepared, checkpoint(cfg, stage), made_from(cfg, stage), again=f"make {stage}")
    return prepared


def load_plain(cfg: CfgNode, stage: str = "calib") -> Prepared:
    """The prepared graph with float's own weights, equalised as stage calib or qat is; it has seen nothing.

    UserError where QUANT.EQUALISE is on and the calibration hasn't begun.
    """
    prepared, _ = load_prepared(cfg, prove=False)
    own = stage == "qat" and (stage_folder(cfg, stage) / calibration.EQUALISED).is_file()  # fine-tuning's own start
    if own or cfg.QUANT.EQUALISE:
        made = "qat" if own else "calib"
        calibration.load(prepared, stage_folder(cfg, made) / calibration.EQUALISED, made_from(cfg, made))
    return prepared


def twin(cfg: CfgNode) -> CfgNode:
    """The same run on backend fx, which tunes what another backend takes over; its folders lie under OUTPUT_DIR/fx."""
    return with_values(cfg, {"QUANT.BACKEND": "fx", "OUTPUT_DIR": str(Path(cfg.OUTPUT_DIR, "fx"))})


def checkpoint(cfg: CfgNode, stage: str) -> Path:
    """Where stage calib or qat keeps its weights and scales."""
    return stage_folder(cfg, stage) / SCALED[stage]


def source(cfg: CfgNode) -> str:
    """The stage that int_infer and compile start from, as QUANT.FROM says; auto: qat if it has finished.

    With another calibration or another QAT setting than now, it hasn't.
    """
    if cfg.QUANT.FROM != "auto":
        return str(cfg.QUANT.FROM)
    manifest = stage_folder(cfg, "qat") / "manifest.json"
    finished = checkpoint(cfg, "qat").is_file() and manifest.is_file()
    return "qat" if finished and read_json(manifest)["made_from"] == made_from(cfg, "qat") else "calib"


def stage_folder(cfg: CfgNode, stage: str) -> Path:
    """OUTPUT_DIR/<dataset>/<config name>/<stage>; of stage compiled, compile/eval/<runtime>."""
    parts = ("compile", "eval", cfg.COMPILE.RUNTIME) if stage == "compiled" else (stage,)
    return Path(cfg.OUTPUT_DIR, cfg.DATASET.DATASET, cfg.NAME, *parts)


def title(cfg: CfgNode, stage: str) -> str:
    """A stage's name in tables: compiled with its runtime."""
    return f"compiled {cfg.COMPILE.RUNTIME}" if stage == "compiled" else stage


def made_from(cfg: CfgNode, stage: str) -> dict[str, Any]:
    """What decides a stage: the float weights' hash, the config keys that matter, the checkpoint that it starts from.

    From calib on the int8 grid too.
    """
    keys: tuple[str, ...] = _FLOAT_KEYS if stage == "float" else _FLOAT_KEYS + _QUANT_KEYS
    before = _before(cfg, stage)
    if stage == "qat" or before == "qat":
        keys += tuple(f"QAT.{name}" for name in cfg.QAT)
    decided = {"float weights sha256": sha256(model_file(cfg))} | {key: _plain(_get(cfg, key)) for key in keys}
    if stage != "float":
        decided["reduce_range"] = choose_engine(cfg.QUANT.ENGINE).reduce_range
        decided |= _plugin_keys(cfg, stage if stage in SCALED else before)
    if before:
        path = checkpoint(cfg, before)
        decided[f"{before}'s checkpoint (sha256)"] = sha256(path) if path.is_file() else "missing"
    return decided


def _before(cfg: CfgNode, stage: str) -> str | None:
    """The stage whose checkpoint `stage` starts from."""
    if stage in ("float", "calib"):
        return None
    return "calib" if stage == "qat" else source(cfg)


def _plugin_keys(cfg: CfgNode, scaled: str | None) -> dict[str, Any]:
    """What else decides a stage of another backend than fx; `scaled`: the stage whose weights and scales it has."""
    name = choose_backend(cfg).backend.name
    if name == "fx":
        return {}
    tuned = checkpoint(twin(cfg), scaled or "calib")
    sha = sha256(tuned) if tuned.is_file() else "missing"
    return {
        "backend": name,
        "COMPILE.INPUT_SOURCE": cfg.COMPILE.INPUT_SOURCE,
        f"backend fx's {scaled or 'calib'} (sha256)": sha,
    }


def _get(cfg: CfgNode, key: str) -> Any:
    section, name = key.split(".")
    return cfg[section][name]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def write_provenance(cfg: CfgNode, stage: str, more: dict[str, Any]) -> None:
    """Write config.yaml (resolved) and manifest.json (hashes, versions, machine, `more`) into the stage's folder."""
    folder = stage_folder(cfg, stage)
    write_text(folder / "config.yaml", cfg.dump())
    manifest = {"stage": stage, "made_from": made_from(cfg, stage), "engine": asdict(choose_engine(cfg.QUANT.ENGINE))}
    if stage != "float":
        manifest["backend"] = choose_backend(cfg).record()
    write_json(folder / "manifest.json", manifest | {"environment": environment()} | more)


def finished_stages(cfg: CfgNode) -> dict[str, dict[str, Any]]:
    """metrics.json of every stage that was evaluated with these weights and this config, in stage order, by title."""
    found = {stage: stage_folder(cfg, stage) for stage in STAGES[:-1] if _is_current(cfg, stage)}
    for folder in sorted((stage_folder(cfg, "compile") / "eval").glob("*")):
        if _is_current_artefact(cfg, folder):
            found[f"compiled {folder.name}"] = folder
    return {title: read_json(folder / "metrics.json") for title, folder in found.items()}


def _is_current_artefact(cfg: CfgNode, folder: Path) -> bool:
    """Whether the artefact that was evaluated there is the one that lies in the compile folder now."""
    if not (folder / "metrics.json").is_file() or not (folder / "manifest.json").is_file():
        return False
    manifest = read_json(folder / "manifest.json")
    artefact = folder.parent.parent / manifest.get("artefact", "")
    return (
        artefact.is_file()
        and sha256(artefact) == manifest["artefact_sha256"]
        and manifest["made_from"] == made_from(cfg, "compiled")
    )


def _is_current(cfg: CfgNode, stage: str) -> bool:
    folder = stage_folder(cfg, stage)
    if not (folder / "metrics.json").is_file() or not (folder / "manifest.json").is_file():
        return False
    return read_json(folder / "manifest.json")["made_from"] == made_from(cfg, stage)


def previous_manifest(cfg: CfgNode, stage: str) -> dict[str, Any]:
    """What the stage's own run recorded beside the standard keys (images, rewrites); empty before its first run."""
    path = stage_folder(cfg, stage) / "manifest.json"
    if not path.is_file():
        return {}
    standard = ("stage", "made_from", "engine", "backend", "environment")
    return {key: value for key, value in read_json(path).items() if key not in standard}
