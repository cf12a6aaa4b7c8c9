"""Submission: a stage's predictions of a split without labels, as a benchmark's server takes them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from yacs.config import CfgNode

from qat.data import build_dataset
from qat.data.image_io import read_image
from qat.data.submission import encoded, id_table, member
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.files import atomic_path
from qat.workflow.evaluation import announce
from qat.workflow.inference import classifier
from qat.workflow.network import channels_of, require_maps
from qat.workflow.progress import Progress, silent, watched
from qat.workflow.run import folders_of
from qat.workflow.settings import data_spec

ARCHIVE = "submission.zip"


@dataclass(frozen=True)
class Submission:
    """The stage, the archive and the number of pictures in it."""

    stage: str
    archive: Path
    pictures: int


def submit(
    config: CfgNode, progress: Progress = silent, *, stage: str = "float", output: str | Path | None = None
) -> Submission:
    """Write the classes of every picture of DATASET.TEST_SET as labelIds PNGs into one archive; labels aren't read.

    Args:
        config: the run's config, with DATASET.TEST_SET test for the pictures that a server scores.
        progress: called with the pictures done, the number of pictures, and a text.
        stage: float, calib, qat, int_infer or compiled.
        output: the archive; by default submission.zip in the stage's folder.

    Returns:
        The archive, which holds one PNG (H, W) of the picture's own size by city and frame.

    Raises:
        UserError: if the archive exists, the data set's labels aren't ids, or the stage doesn't exist or is stale.
    """
    require_maps(config, "infer --submission")
    archive = Path(output) if output else folders_of(config).stage(stage) / ARCHIVE
    _check(archive)
    announce(config, stage)
    files = _files(config, stage)
    with atomic_path(archive) as aside, zipfile.ZipFile(aside, "w") as parts:
        for name, content in watched(files, progress, len(files), f"submission {stage}"):
            parts.writestr(zipfile.ZipInfo(name), content())
    return Submission(stage, archive, len(files))


def _check(archive: Path) -> None:
    if archive.suffix.lower() != ".zip":
        raise UserError(f"--output {archive} of a submission doesn't end in .zip; give a file that does")
    if archive.exists():
        raise UserError(f"{archive} is there already; move it away, or give another file by --output")


def _files(config: CfgNode, stage: str) -> list[tuple[str, Callable[[], bytes]]]:
    """Each picture's name in the archive, and a function that gives its PNG."""
    data, channels = data_spec(config), channels_of(config)
    table = id_table(data.descriptor, data.num_classes)
    dataset, classify = build_dataset(data, "val", InferenceTransform()), classifier(config, stage)

    def content(path: Path) -> bytes:
        return encoded(classify(read_image(path, channels)), table)

    names = [member(name, data.descriptor, data.val) for name in dataset.names]
    return [(name, partial(content, path)) for name, path in zip(names, dataset.image_paths, strict=True)]
