"""A stage's measurements on DATASET.TEST_SET, whose batches the command's processes share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import cast

from torch import Tensor, nn
from yacs.config import CfgNode

from qat.data import SegmentationDataset, build_dataset, data_loader
from qat.data.content import picture_digests
from qat.data.fit import Fit
from qat.data.transforms import Normaliser, artefact_input
from qat.distributed import Group
from qat.errors import UserError
from qat.evaluation import LogitStore, Result
from qat.evaluation import evaluate as score
from qat.evaluation.outputs import Outputs
from qat.evaluation.tasks import Tally
from qat.files import sha256_text
from qat.stages import origin_of
from qat.workflow.artefact import find_artefact, in_its_form, realigned
from qat.workflow.load import load_stage, stage_device
from qat.workflow.network import network_spec, task_of
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of, run_of
from qat.workflow.settings import data_spec, fit_of, inference_transform
from qat.workflow.sharing import check_same_files, check_shared_folder, own_part, shared_counter


def help_measure(group: Group, config: CfgNode, stage: str) -> None:
    """What the other processes do where the first one measures a stage."""
    dataset = build_dataset(data_spec(config), "val", inference_transform(config))
    measured(group, config, stage, dataset, load_stage(config, stage), silent)


def measured(
    group: Group, config: CfgNode, stage: str, dataset: SegmentationDataset, model: nn.Module, progress: Progress
) -> tuple[Result, dict[str, str]]:
    """Evaluates this process's pictures; returns the result of all and the digests of the logits that were written."""
    indices, size = range(len(evaluated_names(config, dataset))), config.TEST.BATCH_SIZE_PER_GPU
    own = own_part(group, indices, size)
    check_shared_folder(group, folders_of(config).stage(stage))
    check_same_files(group, dataset, indices)
    store, batches = float_logits(config, dataset), data_loader(dataset, size, config.WORKERS, indices=own)
    title = f"eval {folders_of(config).title(stage)}"
    task, advance = task_of(config), shared_counter(group, progress, len(indices), title)

    def after_batch(count: int, tally: Tally) -> None:
        known = task.maps and tally.main is not None  # others' scores take longer than a batch
        advance(count, f"{task.score_title} {tally.main:.4f}" if known else "")

    result = score(
        model,
        batches,
        config.DATASET.NUM_CLASSES,
        to_input=to_input(config, stage),
        align_corners=config.MODEL.ALIGN_CORNERS,
        fit=stage_fit(config, stage),
        device=stage_device(config, stage),
        reference=None if stage == "float" else _reference(config, stage, store),
        record=store.write if stage == "float" else None,
        progress=after_batch,
        task=task,
    )
    parts = group.gather((result, store.written))
    advance(0)
    if not group.main:
        return result, {}
    return Result.joined([part for part, _ in parts]), {
        name: digest for _, files in parts for name, digest in files.items()
    }


def _reference(config: CfgNode, stage: str, store: LogitStore) -> Callable[[Sequence[str], Tensor], Outputs]:
    """Returns a function that reads float's recorded logits in the form of the stage's output."""
    if stage != "compiled":
        return store.read
    if not task_of(config).maps:
        _check_same_size(config)
        return store.read
    artefact, stride, corners = find_artefact(config), network_spec(config).stride, config.MODEL.ALIGN_CORNERS
    fit, (width, height) = fit_of(config), config.TEST.IMAGE_SIZE

    def read(names: Sequence[str], inputs: Tensor) -> Tensor:
        logits = realigned(cast(Tensor, store.read(names)), (height, width), fit, artefact, corners)
        return in_its_form(logits, artefact, stride, corners)

    return read


def _check_same_size(config: CfgNode) -> None:
    """UserError for an artefact of another picture size than the stages', whose outputs have other places."""
    artefact, (width, height) = find_artefact(config), config.TEST.IMAGE_SIZE
    if artefact.picture != (height, width):
        raise UserError(
            f"{artefact.path.name} takes pictures of {artefact.picture[1]}x{artefact.picture[0]} and float's outputs "
            f"are those of TEST.IMAGE_SIZE {width}x{height}; compile for that size (COMPILE.INPUT_SIZE)"
        )


def to_input(config: CfgNode, stage: str, fit: Fit | None = None) -> Callable[[Tensor], Tensor]:
    """Returns a function uint8 (N, H, W, 3) -> the stage's input; for compiled in its manifest's form and size.

    `fit`: of the other stages' pictures; by default they keep their size where the network can take it.
    """
    data = config.DATASET
    if stage == "compiled":
        return artefact_input(find_artefact(config).input, data.MEAN, data.STD)
    return Normaliser(data.MEAN, data.STD, stage_device(config, stage), fit or fit_of(config))


def stage_fit(config: CfgNode, stage: str, one_size: bool = False) -> Fit:
    """Returns how the stage's pictures are fitted: compiled ones from the artefact's size, others from their own.

    `one_size`: these are scaled to TEST.IMAGE_SIZE first, as infer does.
    """
    if stage == "compiled":
        return fit_of(config, find_artefact(config).picture)
    width, height = config.TEST.IMAGE_SIZE
    return fit_of(config, (height, width) if one_size else None)


def float_logits(config: CfgNode, dataset: SegmentationDataset | None = None) -> LogitStore:
    """Returns the store of stage float's logits; it refuses those of other weights or another config.

    `dataset`: it refuses those of other pictures too.
    """
    run = run_of(config)
    key, pictures = json.dumps(origin_of(run, "float").unlike_older), {}
    if dataset is not None:
        pictures = picture_digests(dataset, range(len(evaluated_names(config, dataset))))
    return LogitStore(run.folders.stage("float") / "logits", sha256_text(key), pictures)


def evaluated_names(config: CfgNode, dataset: SegmentationDataset) -> list[str]:
    """Returns the names of the evaluated pictures: the first TEST.NUM_IMAGES of the list, or all."""
    return dataset.names[: config.TEST.NUM_IMAGES or None]
