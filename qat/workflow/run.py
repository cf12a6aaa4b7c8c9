"""A run: how its config is opened, where its stages lie and what decides them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.backends.select import TUNES
from qat.config import default_config, load_config, with_values
from qat.config.unread import unread
from qat.deploy.letterbox import LETTERBOX
from qat.engine import choose_engine
from qat.errors import UserError
from qat.files import check_place
from qat.invocation import Invocation
from qat.models import default_fit
from qat.stages import Folders, Run, Tuned, origin_of, record_of
from qat.stages.folders import CONFIG
from qat.workflow.network import network_origin, own_weights
from qat.workflow.settings import backend_choice, built_in_origin, descriptor_origin

log = logging.getLogger(__name__)

NETWORK_KEYS = (
    "MODEL.ALIGN_CORNERS",
    "DATASET.DATASET",
    "DATASET.NUM_CLASSES",
    "DATASET.MEAN",
    "DATASET.STD",
    "TEST.FIT",
)
NOT_DECIDING = (
    "ALLOW_FLOAT",
    "BACKEND",
    "ENGINE",
    "FROM",
    "GATE",
    "SAVE_EVERY",
)  # keys of QUANT; every other decides what is made
RESOLVED_IN = ("", "qat", "calib", "float", "train", "compile")  # folders of a run that hold its config


def folders_of(config: CfgNode) -> Folders:
    """OUTPUT_DIR/<data set>/<config name>; UserError where no folder can be there."""
    base = Path(config.OUTPUT_DIR, config.DATASET.DATASET, config.NAME)
    return Folders(check_place(base, "OUTPUT_DIR"), config.COMPILE.RUNTIME)


def run_of(config: CfgNode) -> Run:
    """Returns the run that a config describes."""
    defaults = default_config()
    return Run(
        folders=folders_of(config),
        weights=Path(config.TEST.MODEL_FILE) if config.TEST.MODEL_FILE else None,
        network=network_origin(config) | _values(config, _network_keys(config)) | descriptor_origin(config),
        own_weights="" if config.TEST.MODEL_FILE else own_weights(config),
        quant=_values(config, _quant_keys()) | {"reduce_range": choose_engine(config.QUANT.ENGINE).reduce_range},
        kernels=_values(config, ("QUANT.ENGINE",)),
        qat=_values(config, tuple(f"QAT.{name}" for name in config.QAT)),
        takes_from=config.QUANT.FROM,
        tuned=_tuned(config),
        defaults=_values(defaults, (*_quant_keys(), "QUANT.ENGINE", *(f"QAT.{name}" for name in defaults.QAT)))
        | built_in_origin(config)
        | {"TEST.FIT": default_fit(config.MODEL.NAME)},
    )


def twin(config: CfgNode) -> CfgNode:
    """Returns the config of the same run on backend fx, under OUTPUT_DIR/fx; another backend takes its weights over."""
    return with_values(config, {"QUANT.BACKEND": TUNES, "OUTPUT_DIR": str(Path(config.OUTPUT_DIR, TUNES))})


def record_stage(config: CfgNode, stage: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content of a stage's manifest.json: what it was made from, engine, backend, machine, `more`."""
    parts: dict[str, Any] = {"engine": asdict(choose_engine(config.QUANT.ENGINE))}
    if stage != "float":
        parts["backend"] = backend_choice(config).record()
    return record_of(stage, origin_of(run_of(config), stage), parts | dict(more))


def _network_keys(config: CfgNode) -> tuple[str, ...]:
    """NETWORK_KEYS; of a letterbox float's outputs are those of its size too."""
    return (*NETWORK_KEYS, "TEST.IMAGE_SIZE") if config.TEST.FIT == LETTERBOX else NETWORK_KEYS


def _quant_keys() -> tuple[str, ...]:
    own = (f"QUANT.{name}" for name in default_config().QUANT if name not in NOT_DECIDING)
    return ("TEST.IMAGE_SIZE", *own)


def _tuned(config: CfgNode) -> Tuned | None:
    backend = backend_choice(config).backend
    if backend.takes_over is None:
        return None
    return Tuned(backend.name, _values(config, ("COMPILE.INPUT_SOURCE",)), folders_of(twin(config)))


def _values(config: CfgNode, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: _plain(config[key.split(".")[0]][key.split(".")[1]]) for key in keys}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def open_config(path: str, run: str | None = None, options: Sequence[str] = ()) -> CfgNode:
    """Opens the config called `path` with options, or the resolved config of the run in folder `run`.

    Logs one line on official keys that are set and do nothing here.
    """
    config = load_config(path, options) if run is None else run_config(Path(run), options)
    if line := unread(config, int(os.environ.get("WORLD_SIZE", 1))):
        log.warning("%s", line)
    return config


def run_config(folder: Path, options: Sequence[str] = ()) -> CfgNode:
    """Opens the resolved config of the run in `folder` (OUTPUT_DIR/<data set>/<name>, or a stage's folder there).

    Raises UserError if the folder holds no config.yaml, or doesn't lie where the config says.
    """
    path = resolved_config(folder)
    config = load_config(path)
    base = _base(path.parent.resolve(), (config.DATASET.DATASET, config.NAME))
    moved = with_values(config, {"OUTPUT_DIR": str(base)})
    return load_config(path, [*("OUTPUT_DIR", moved.OUTPUT_DIR), *options])


def resolved_config(folder: Path) -> Path:
    """Finds the config.yaml of the run or the stage in `folder`; UserError if there is none."""
    path = next((path for name in RESOLVED_IN if (path := folder / name / CONFIG).is_file()), None)
    if path is None:
        raise UserError(
            f"--run {folder} holds no run: no {CONFIG} in it or its stages; expected OUTPUT_DIR/DATASET/NAME"
        )
    return path


def invocation_of(config: CfgNode, path: str, run: str | None = None, options: Sequence[str] = ()) -> Invocation:
    """Returns the invocation that opens `config` again: the path and options, or the config.yaml of `run`."""
    if run is None:
        return Invocation(os.path.relpath(path), tuple(options))
    moved = ("OUTPUT_DIR", config.OUTPUT_DIR)
    return Invocation(os.path.relpath(resolved_config(Path(run))), (*moved, *options))


def invocation_of_stage(config: CfgNode, stage: str) -> Invocation:
    """Returns the invocation that opens a stage's own config.yaml."""
    return Invocation(str(folders_of(config).stage(stage) / CONFIG))


def _base(folder: Path, names: tuple[str, str]) -> Path:
    """Returns OUTPUT_DIR, which lies above the folders of the data set and the name."""
    for above in (folder, *folder.parents):
        if above.parts[-2:] == names:
            return above.parent.parent
    raise UserError(f"{folder} doesn't lie in {'/'.join(names)}, as its {CONFIG} says; move it back, or use -c")
