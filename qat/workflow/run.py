"""A config's run: where its stages lie and what decides them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.backends.select import TUNES
from qat.config import default_config, with_values
from qat.engine import choose_engine
from qat.origin import Origin
from qat.stages import Folders, Run, Tuned, origin_of, write_record
from qat.workflow.data import built_in_origin, descriptor_origin
from qat.workflow.settings import backend_choice

NETWORK_KEYS = (
    "MODEL.NAME",
    "MODEL.ALIGN_CORNERS",
    "DATASET.DATASET",
    "DATASET.NUM_CLASSES",
    "DATASET.MEAN",
    "DATASET.STD",
)
NOT_DECIDING = ("BACKEND", "ENGINE", "FROM", "GATE", "SAVE_EVERY")  # keys of QUANT; every other decides what is made


def folders_of(config: CfgNode) -> Folders:
    """OUTPUT_DIR/<data set>/<config name>."""
    return Folders(Path(config.OUTPUT_DIR, config.DATASET.DATASET, config.NAME), config.COMPILE.RUNTIME)


def run_of(config: CfgNode) -> Run:
    """The run that a config describes."""
    defaults = default_config()
    return Run(
        folders=folders_of(config),
        weights=Path(config.TEST.MODEL_FILE) if config.TEST.MODEL_FILE else None,
        network=_values(config, NETWORK_KEYS) | descriptor_origin(config),
        quant=_values(config, _quant_keys()) | {"reduce_range": choose_engine(config.QUANT.ENGINE).reduce_range},
        kernels=_values(config, ("QUANT.ENGINE",)),
        qat=_values(config, tuple(f"QAT.{name}" for name in config.QAT)),
        takes_from=config.QUANT.FROM,
        tuned=_tuned(config),
        defaults=_values(defaults, (*_quant_keys(), "QUANT.ENGINE", *(f"QAT.{name}" for name in defaults.QAT)))
        | built_in_origin(config),
    )


def twin(config: CfgNode) -> CfgNode:
    """The same run on backend fx, which tunes what another backend takes over; its folders lie under OUTPUT_DIR/fx."""
    return with_values(config, {"QUANT.BACKEND": TUNES, "OUTPUT_DIR": str(Path(config.OUTPUT_DIR, TUNES))})


def record_stage(config: CfgNode, stage: str, more: Mapping[str, Any], origin: Origin | None = None) -> None:
    """Write config.yaml and manifest.json into a stage's folder."""
    parts: dict[str, Any] = {"engine": asdict(choose_engine(config.QUANT.ENGINE))}
    if stage != "float":
        parts["backend"] = backend_choice(config).record()
    run = run_of(config)
    write_record(run.folders.stage(stage), stage, config.dump(), origin or origin_of(run, stage), parts | dict(more))


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
