"""Calibrate: run training images through the rewritten network and choose every activation's scale."""

from __future__ import annotations

import logging
from dataclasses import asdict

import _cli
from _input import of_graph_size
from _progress import progress_bar
from _tune import Tuner
from yacs.config import CfgNode

import datasets
from datasets.transforms import InferenceTransform, Normaliser
from qat import calibration, stages
from qat.backends.choose import choose_backend
from qat.backends.protocol import Backend, Prepared
from qat.files import sha256_text, write_json, write_text

log = logging.getLogger(__name__)


def main() -> None:
    calibrate(_cli.config(_cli.parser(__doc__).parse_intermixed_args()))


def calibrate(cfg: CfgNode) -> None:
    """Make the calib stage's folder; a run that was killed goes on where it last saved."""
    folder, choice = stages.stage_folder(cfg, "calib"), choose_backend(cfg)
    log.info("%s", choice)
    dataset = datasets.build(cfg, "train", InferenceTransform())
    indices = datasets.spread(len(dataset), cfg.QUANT.CALIB_IMAGES)
    images = "".join(f"{dataset.names[i]}\n" for i in indices)
    made_from = stages.made_from(cfg, "calib") | {"the image list (sha256)": sha256_text(images)}
    prepared, rewritten = stages.load_prepared(cfg)
    done = calibration.resume(prepared, folder, made_from)
    tuner = Tuner(cfg, dataset, indices, made_from, resumed=done > 0)
    if done:
        log.info("going on after %d batches of a run that was stopped", done)
    else:
        tuner.before(prepared)
    if done * cfg.QUANT.CALIB_BATCH_SIZE < len(indices):
        _observe(cfg, choice.backend, prepared, dataset, indices, made_from, done)
    for node, why in choice.backend.dead_observers(prepared):
        log.warning("dead observer: %s (%s)", node, why)
    tuner.after(prepared)
    write_text(folder / "images.txt", images)
    write_json(folder / "qparams.json", choice.backend.qparams(prepared))
    stages.write_provenance(cfg, "calib", {"images": sha256_text(images), "rewrites": asdict(rewritten.log)})
    calibration.finish(prepared, folder, len(indices), made_from)
    log.info("calibrated on %d images -> %s", len(indices), folder / calibration.LAST)


def _observe(
    cfg: CfgNode,
    backend: Backend,
    prepared: Prepared,
    dataset: datasets.SegmentationDataset,
    indices: list[int],
    made_from: dict[str, object],
    done: int,
) -> None:
    size, device = cfg.QUANT.CALIB_BATCH_SIZE, stages.device(cfg)
    batches = datasets.loader(dataset, size, cfg.WORKERS, indices=indices[done * size :])
    to_input = Normaliser(cfg.DATASET.MEAN, cfg.DATASET.STD, device)
    inputs = (to_input(of_graph_size(cfg, batch["image"])) for batch in batches)
    with progress_bar("calib", len(batches)) as advance:

        def after_batch(count: int) -> None:
            advance(1)
            if count % cfg.QUANT.SAVE_EVERY == 0:
                calibration.save(prepared, stages.stage_folder(cfg, "calib") / calibration.PARTIAL, count, made_from)

        done = calibration.calibrate(prepared.to(device), inputs, after_batch, done, backend.observe)
    calibration.save(prepared, stages.stage_folder(cfg, "calib") / calibration.PARTIAL, done, made_from)


if __name__ == "__main__":
    _cli.run(main)
