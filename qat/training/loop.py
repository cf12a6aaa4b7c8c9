"""Training: epochs of steps, each followed by a checkpoint and, when due, an evaluation of the averaged weights."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from datasets.transforms import normalise
from qat.evaluation import Result, evaluate
from qat.files import write_json, write_text
from qat.models import build_model
from qat.stages import stage_folder
from qat.training.checks import check_loss, check_weights
from qat.training.data import build_data, make_loaders, seed_epoch, to_device
from qat.training.distributed import Place
from qat.training.ema import WeightAverage
from qat.training.losses import LossConfig, pidnet_loss
from qat.training.optim import make_optimizer, poly_lr, set_lr
from qat.training.pretrained import load_pretrained
from qat.training.reporting import Advance, Reporter
from qat.training.state import CHECKPOINT, Progress, State, export

_log = logging.getLogger(__name__)


def make_trainer(cfg: CfgNode, place: Place) -> Trainer:
    """The run that a config describes: MODEL.NAME, from MODEL.PRETRAINED or from scratch, on DATASET."""
    torch.backends.cudnn.benchmark = cfg.CUDNN.BENCHMARK
    torch.backends.cudnn.deterministic = cfg.CUDNN.DETERMINISTIC
    torch.backends.cudnn.enabled = cfg.CUDNN.ENABLED
    torch.manual_seed(cfg.TRAIN.SEED)
    model = build_model(cfg.MODEL.NAME, cfg.DATASET.NUM_CLASSES, aux=True)
    if cfg.MODEL.PRETRAINED:
        load_pretrained(model, cfg.MODEL.PRETRAINED)
    return Trainer(cfg, place, model, *build_data(cfg))


class Trainer:
    """One run. `model` is a train form: (N, 3, H, W) -> [P head's logits, main logits, boundary logits].

    `folder` (OUTPUT_DIR/<dataset>/<NAME>/train) gets the checkpoint, best and final weights, history and config.
    """

    def __init__(self, cfg: CfgNode, place: Place, model: nn.Module, train_set: Any, val_set: Any) -> None:
        self.cfg, self.place, self.val_set = cfg, place, val_set
        self.folder = stage_folder(cfg, "train")
        model = model.to(device=place.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = WeightAverage(model, cfg.TRAIN.EMA)
        self.state = State(model, average, make_optimizer(model, cfg), Progress())
        self.network = place.wrap(model)
        self.data = make_loaders(cfg, train_set, val_set, place)
        self.loss = LossConfig.from_cfg(cfg, train_set.class_weights)
        self.steps = cfg.TRAIN.END_EPOCH * len(self.data.train)

    @property
    def progress(self) -> Progress:
        """How far the run is."""
        return self.state.progress

    def run(self, advance: Advance = lambda steps, text: None) -> list[dict[str, Any]]:
        """Train to TRAIN.END_EPOCH; returns the record of each epoch, those before a resume too.

        `advance` is called with the number of steps done since its last call and a text for the progress bar. Raises
        UserError, with the last epoch's checkpoint kept, when the loss or a weight is NaN or infinite.
        """
        if self.place.main:
            write_text(self.folder / "config.yaml", self.cfg.dump())
        with Reporter(self.cfg, self.folder, self.val_set.palette, advance, self.place.main) as reporter:
            self._resume()
            reporter.start(self.progress)
            for epoch in range(self.progress.epoch, self.cfg.TRAIN.END_EPOCH):
                self._epoch(epoch, reporter)
            self._finish()
        return self.progress.history

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        if not (self.cfg.TRAIN.RESUME or self.cfg.AUTO_RESUME):
            _log.warning("starting anew over %s; TRAIN.RESUME True would go on from it", path)
            return
        changes = self.state.load(path, self.cfg.dump())
        _log.info("resuming from %s after epoch %d", path, self.progress.epoch)
        for line in changes:
            _log.warning("the config has changed since: %s", line)

    def _epoch(self, epoch: int, reporter: Reporter) -> None:
        record = {"epoch": epoch + 1, **self._train_epoch(epoch, reporter)}
        check_weights(self.state.model, f"after epoch {epoch + 1}; {self._advice()}")
        self.progress.epoch = epoch + 1
        last = epoch + 1 == self.cfg.TRAIN.END_EPOCH
        if self.place.main and (last or (epoch + 1) % self.cfg.TRAIN.EVAL_EVERY == 0):
            record |= self._evaluate(reporter)
        self.progress.history.append(record)
        if self.place.main:
            self.state.save(self.folder / CHECKPOINT, self.cfg.dump())
            write_json(self.folder / "history.json", self.progress.history)
        reporter.epoch(record)
        self.place.wait()

    def _train_epoch(self, epoch: int, reporter: Reporter) -> dict[str, float]:
        """One pass; returns the mean of each loss part over steps and processes."""
        seed_epoch(self.cfg.TRAIN.SEED, epoch, self.place.rank)
        self.data.train.set_epoch(epoch)
        self.network.train()
        totals: dict[str, float] = {}
        for batch in self.data.train:
            parts, lr = self._step(batch)
            totals = {name: totals.get(name, 0.0) + value for name, value in parts.items()}
            reporter.step(self.progress.iteration, parts, lr)
        means = torch.tensor(list(totals.values()), dtype=torch.float64, device=self.place.device)
        means = self.place.mean(means / len(self.data.train))
        return dict(zip(totals, means.tolist(), strict=True))

    def _step(self, batch: dict[str, Any]) -> tuple[dict[str, float], float]:
        """One optimiser step; returns the loss parts and the learning rate."""
        train = self.cfg.TRAIN
        lr = poly_lr(self.progress.iteration, self.steps, train.LR, train.LR_POWER, train.WARMUP)
        set_lr(self.state.optimizer, lr)
        losses = self._losses(*to_device(batch, self.place.device))
        parts = {name: float(value.detach()) for name, value in losses.items()}
        check_loss(parts, f"at iteration {self.progress.iteration}; {self._advice()}")
        self.state.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        self.state.optimizer.step()
        self.state.average.update(self.state.model)
        self.progress.iteration += 1
        return parts, lr

    def _losses(self, image: Tensor, label: Tensor, edge: Tensor) -> dict[str, Tensor]:
        with torch.autocast(self.place.device.type, torch.bfloat16, enabled=self.cfg.TRAIN.AMP == "bf16"):
            outputs = self.network(image)
        return pidnet_loss(outputs, label, edge, self.loss)

    def _evaluate(self, reporter: Reporter) -> dict[str, Any]:
        """Score the averaged weights on the evaluation list; export them if they are the best so far."""
        mean, std = self.cfg.DATASET.MEAN, self.cfg.DATASET.STD
        result: Result = evaluate(
            lambda x: self.state.average.model(x)[1],
            reporter.watched(self.data.val),
            self.cfg.DATASET.NUM_CLASSES,
            to_input=partial(normalise, mean=mean, std=std, device=self.place.device),
            align_corners=self.cfg.MODEL.ALIGN_CORNERS,
            device=self.place.device,
            record=reporter.record,
        )
        reporter.evaluated(self.progress.iteration, self.val_set.class_names, result)
        if result.scores.mean_iou > self.progress.best:
            self.progress.best = result.scores.mean_iou
            export(self.state.average.model, self.folder / "best.safetensors")
        return {"mean_iou": result.scores.mean_iou, "class_iou": list(result.scores.class_iou)}

    def _finish(self) -> None:
        if self.place.main:
            export(self.state.average.model, self.folder / "final.safetensors")
            _log.info("best mIoU %.4f; weights in %s", self.progress.best, self.folder)

    def _advice(self) -> str:
        kept = f"the checkpoint after epoch {self.progress.epoch} is kept in {self.folder}"
        return f"lower TRAIN.LR or raise TRAIN.WARMUP; {kept if self.progress.epoch else 'no epoch was finished'}"
