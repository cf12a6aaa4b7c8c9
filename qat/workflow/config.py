"""The config of a run: from a file and options, or as a run resolved it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from qat.config import load_config, with_values
from qat.errors import UserError
from qat.invocation import Invocation
from qat.stages.folders import CONFIG
from qat.workflow.run import folders_of

RESOLVED_IN = ("", "qat", "calib", "float", "train", "compile")  # folders of a run that hold its config


def open_config(path: str, run: str | None = None, options: Sequence[str] = ()) -> CfgNode:
    """The config called `path` with options; or the one that the run in folder `run` has resolved, with options."""
    return load_config(path, options) if run is None else run_config(Path(run), options)


def run_config(folder: Path, options: Sequence[str] = ()) -> CfgNode:
    """What the run in `folder` (OUTPUT_DIR/<data set>/<name>, or a stage's folder there) was made with.

    UserError where the folder holds no config.yaml, or isn't where the config says.
    """
    found = resolved_config(folder)
    config = load_config(found)
    base = _base(found.parent.resolve(), (config.DATASET.DATASET, config.NAME))
    moved = with_values(config, {"OUTPUT_DIR": str(base)})
    return load_config(found, [*("OUTPUT_DIR", moved.OUTPUT_DIR), *options])


def resolved_config(folder: Path) -> Path:
    """The config.yaml of the run, or of the stage, that lies in `folder`; UserError where there is none."""
    found = next((path for name in RESOLVED_IN if (path := folder / name / CONFIG).is_file()), None)
    if found is None:
        raise UserError(
            f"--run {folder} holds no run: no {CONFIG} in it or its stages; expected OUTPUT_DIR/DATASET/NAME"
        )
    return found


def invocation_of(config: CfgNode, path: str, run: str | None = None, options: Sequence[str] = ()) -> Invocation:
    """How `open_config` was asked for `config`; for a run by its own config.yaml."""
    if run is None:
        return Invocation(os.path.relpath(path), tuple(options))
    moved = ("OUTPUT_DIR", config.OUTPUT_DIR)
    return Invocation(os.path.relpath(resolved_config(Path(run))), (*moved, *options))


def invocation_of_stage(config: CfgNode, stage: str) -> Invocation:
    """A run that nobody named, by the config.yaml of a stage."""
    return Invocation(str(folders_of(config).stage(stage) / CONFIG))


def _base(folder: Path, names: tuple[str, str]) -> Path:
    """OUTPUT_DIR, above the folder of the data set and the name."""
    for above in (folder, *folder.parents):
        if above.parts[-2:] == names:
            return above.parent.parent
    raise UserError(f"{folder} doesn't lie in {'/'.join(names)}, as its {CONFIG} says; move it back, or use -c")
