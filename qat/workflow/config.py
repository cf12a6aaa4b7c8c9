"""The config of a run: from a file and options, or as a run resolved it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yacs.config import CfgNode

from qat.config import load_config, with_values
from qat.errors import UserError
from qat.stages.folders import CONFIG

RESOLVED_IN = ("", "qat", "calib", "float", "train", "compile")  # folders of a run that hold its config


def open_config(path: str, run: str | None = None, options: Sequence[str] = ()) -> CfgNode:
    """The config called `path` with options; or the one that the run in folder `run` has resolved, with options."""
    return load_config(path, options) if run is None else run_config(Path(run), options)


def run_config(folder: Path, options: Sequence[str] = ()) -> CfgNode:
    """What the run in `folder` (OUTPUT_DIR/<data set>/<name>, or a stage's folder there) was made with.

    UserError where the folder holds no config.yaml, or isn't where the config says.
    """
    found = next((path for name in RESOLVED_IN if (path := folder / name / CONFIG).is_file()), None)
    if found is None:
        expected = "expected OUTPUT_DIR/<data set>/<name> of a run"
        raise UserError(f"--run {folder} holds no {CONFIG}, nor do the stages in it; {expected}")
    config = load_config(found)
    base = _base(found.parent.resolve(), (config.DATASET.DATASET, config.NAME))
    moved = with_values(config, {"OUTPUT_DIR": str(base)})
    return load_config(found, [*("OUTPUT_DIR", moved.OUTPUT_DIR), *options])


def _base(folder: Path, names: tuple[str, str]) -> Path:
    """OUTPUT_DIR, above the folder of the data set and the name."""
    for above in (folder, *folder.parents):
        if above.parts[-2:] == names:
            return above.parent.parent
    raise UserError(f"{folder} doesn't lie in {'/'.join(names)}, as its {CONFIG} says; move it back, or use -c")
