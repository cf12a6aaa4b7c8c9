"""Measure a stage: mIoU over the whole set, how far it is from float, and the table of all stages so far."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import _cli
from _announce import announce
from _input import to_input
from _logits import float_logits
from _progress import progress_bar
from rich.console import Console
from torch import Tensor
from yacs.config import CfgNode

from qat.compile.stage import find_artefact, in_its_form
from qat.data import SegmentationDataset, build_dataset, data_loader
from qat.data.transforms import InferenceTransform
from qat.environment import environment
from qat.evaluation import ConfusionMatrix, LogitStore, Result, evaluate
from qat.evaluation.metrics import metrics, passes
from qat.evaluation.table import stage_table, verdict
from qat.files import write_json
from qat.runtimes import get_runtime
from qat.workflow import stages

log = logging.getLogger(__name__)


def main() -> int:
    parser = _cli.parser(__doc__)
    parser.add_argument("--stage", choices=stages.STAGES, default="float")
    parser.add_argument("--gate", type=float, help="exit 1 if the stage keeps less of float's mIoU, such as 0.99")
    args = parser.parse_intermixed_args()
    cfg = _cli.config(args)
    dataset = build_dataset(cfg, "val", InferenceTransform())
    if args.stage != "float" and not _float_is_recorded(cfg, dataset):
        log.info("float isn't evaluated on these images yet: doing that first")
        measure(cfg, "float", dataset)
    measure(cfg, args.stage, dataset)
    finished, title = stages.finished_stages(cfg), stages.title(cfg, args.stage)
    Console().print(stage_table(finished))
    print(verdict(title, finished, cfg.QUANT.GATE if args.gate is None else args.gate))
    return int(args.gate is not None and not passes(finished[title], finished["float"], args.gate))


def measure(cfg: CfgNode, stage: str, dataset: SegmentationDataset) -> None:
    """Evaluate `stage` and write its folder."""
    announce(cfg, stage)
    model = stages.load_stage(cfg, stage)
    store = float_logits(cfg)
    names = _names(cfg, dataset)
    batches = data_loader(dataset, cfg.TEST.BATCH_SIZE_PER_GPU, cfg.WORKERS, indices=range(len(names)))
    device = stages.stage_device(cfg, stage)
    with progress_bar(f"eval {stages.title(cfg, stage)}", len(names)) as advance:

        def progress(count: int, matrix: ConfusionMatrix) -> None:
            advance(count, f"mIoU {matrix.scores().mean_iou:.4f}")

        result = evaluate(
            model,
            batches,
            cfg.DATASET.NUM_CLASSES,
            to_input=to_input(cfg, stage),
            align_corners=cfg.MODEL.ALIGN_CORNERS,
            device=device,
            reference=None if stage == "float" else _reference(cfg, stage, store),
            record=store.write if stage == "float" else None,
            progress=progress,
        )
    if stage == "float":
        store.finish()
    _write(cfg, stage, dataset, result)


def _reference(cfg: CfgNode, stage: str, store: LogitStore) -> Callable[[Sequence[str], Tensor], Tensor]:
    """float's recorded logits, in the form that the stage gives."""
    if stage != "compiled":
        return store.read
    artefact = find_artefact(cfg)

    def read(names: Sequence[str], inputs: Tensor) -> Tensor:
        return in_its_form(store.read(names), artefact, cfg.MODEL.ALIGN_CORNERS)

    return read


def _write(cfg: CfgNode, stage: str, dataset: SegmentationDataset, result: Result) -> None:
    folder = stages.stage_folder(cfg, stage)
    manifest = stages.previous_manifest(cfg, stage) | {"evaluated": list(result.names)}
    if stage == "compiled":
        artefact = find_artefact(cfg)
        manifest |= {"artefact": artefact.path.name, "artefact_sha256": artefact.record["sha256"]}
        manifest |= {"runtime": f"{cfg.COMPILE.RUNTIME} {get_runtime(cfg.COMPILE.RUNTIME).version}"}
    stages.write_provenance(cfg, stage, manifest)
    write_json(folder / "metrics.json", metrics(result, dataset.class_names, cfg.MODEL.NAME, environment()))
    log.info("%s: %s", stage, folder / "metrics.json")


def _names(cfg: CfgNode, dataset: SegmentationDataset) -> list[str]:
    return dataset.names[: cfg.TEST.NUM_IMAGES or None]


def _float_is_recorded(cfg: CfgNode, dataset: SegmentationDataset) -> bool:
    return "float" in stages.finished_stages(cfg) and float_logits(cfg).holds(_names(cfg, dataset))


if __name__ == "__main__":
    _cli.run(main)
