"""Epochs of steps, each followed by a checkpoint and, when due, an evaluation of the averaged weights."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from qat.data import SegmentationDataset
from qat.data.fit import AS_IS, Fit
from qat.data.transforms import network_input
from qat.errors import UserError
from qat.evaluation import Result, evaluate
from qat.evaluation.tasks import SEGMENTATION, Task
from qat.files import write_json, write_text
from qat.finite import check_gradients, check_loss, check_weights, culprit
from qat.stages.folders import CONFIG
from qat.training.data import DataConfig, make_loaders, seed_epoch
from qat.training.distributed import DistContext
from qat.training.optim import Plan, set_lr
from qat.training.reporting import Advance, ReportConfig, Reporter
from qat.training.state import CHECKPOINT, Progress, State, WeightAverage, changed_lines

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopConfig:
    """The settings of every run. `folder` gets the checkpoint, history, log and config; `board` tensorboard's events.

    `config`: the resolved YAML. `resume`: go on from a checkpoint, whatever has changed. `mean`, `std`: of RGB / 255.
    `align_corners`: of the logits' upsampling. `fit`: of evaluated pictures to the network's size.
    """

    folder: Path
    board: Path
    config: str
    data: DataConfig
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    align_corners: bool = True
    fit: Fit = AS_IS
    task: Task = SEGMENTATION
    log_every: int = 20
    resume: bool = False


class Loop(ABC):
    """One run. A subclass says what it learns, how its result is scored and what is kept.

    `advice`: what to do about NaN.
    """

    advice: str
    batch_norm_learns: bool

    def __init__(
        self,
        config: LoopConfig,
        context: DistContext,
        plan: Plan,
        model: nn.Module,
        optimizer: Optimizer,
        train: SegmentationDataset,
        val: SegmentationDataset,
    ) -> None:
        """`model` lies on the context's device."""
        self.config, self.context, self.plan, self.val_set = config, context, plan, val
        self.folder = config.folder
        self.state = State(model, WeightAverage(model, plan.ema), optimizer, Progress())
        self.network = context.wrap(model)
        self.data = make_loaders(config.data, train, val, context)
        self.steps = plan.epochs * len(self.data.train)

    @abstractmethod
    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """A batch's loss parts and their sum `loss`."""

    @abstractmethod
    def averaged(self) -> Callable[[Tensor], Tensor]:
        """The network with the averaged weights: input -> main logits."""

    @abstractmethod
    def after_epoch(self, result: Result | None, reporter: Reporter) -> None:
        """Called in the main process before the checkpoint is written; `result` of the evaluation, if one was due."""

    @abstractmethod
    def finish(self) -> None:
        """Write the result; called in the main process."""

    @abstractmethod
    def refuses(self, checkpoint: Path) -> str:
        """Why the run doesn't go on from its checkpoint; empty if it does."""

    def settings(self) -> str:
        """Returns the settings, as text, which are compared with a checkpoint's."""
        return self.config.config

    def changes(self, saved: str) -> list[str]:
        """How `settings` differ from a checkpoint's, a line each."""
        return changed_lines(saved, self.settings())

    @property
    def progress(self) -> Progress:
        """How far the run is."""
        return self.state.progress

    def run(self, advance: Advance = lambda steps, text: None) -> list[dict[str, Any]]:
        """Train to the last epoch; returns the record of each epoch, those before a resume too.

        `advance` is called with the number of steps done since its last call and a text for the progress bar. Raises
        UserError, with the last epoch's checkpoint kept, when the loss, a gradient or a weight is NaN or infinite.
        """
        if self.context.main:
            write_text(self.folder / CONFIG, self.config.config)
        with self._reporter(advance) as reporter:
            self._resume()
            reporter.start(self.progress)
            for epoch in range(self.progress.epoch, self.plan.epochs):
                self._epoch(epoch, reporter)
            if self.context.main:
                self.finish()
            self.context.wait()
        return self.progress.history

    def _reporter(self, advance: Advance) -> Reporter:
        config = self.config
        report = ReportConfig(
            self.folder,
            config.board,
            self.plan.epochs,
            config.log_every,
            config.align_corners,
            config.fit,
            config.task.maps,
        )
        return Reporter(report, self.val_set.palette, advance, self.context.main)

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.is_file():
            return
        if reason := self.refuses(path):
            _log.warning("starting anew over %s; %s", path, reason)
            return
        saved = self.state.load(path)
        self._write_history()  # a run that was killed behind its checkpoint lacks the last epoch
        _log.info("resuming from %s after epoch %d", path, self.progress.epoch)
        for line in self.changes(saved):
            _log.warning("the config has changed since: %s", line)

    def _write_history(self) -> None:
        if self.context.main:
            write_json(self.folder / "history.json", self.progress.history)

    def _epoch(self, epoch: int, reporter: Reporter) -> None:
        record: dict[str, Any] = {"epoch": epoch + 1, **self._train_epoch(epoch, reporter)}
        check_weights(self.state.model, f"after epoch {epoch + 1}; {self._advice()}")
        self.progress.epoch = epoch + 1
        result = self._evaluate(reporter) if self.plan.evaluates(epoch) else None
        if result and result.main is not None:
            record |= _history(result, self.val_set.class_names)
        self.progress.history.append(record)
        if self.context.main:
            self.after_epoch(result, reporter)
            self.state.save(self.folder / CHECKPOINT, self.settings())
            self._write_history()
        reporter.epoch(record)
        self.context.wait()

    def _train_epoch(self, epoch: int, reporter: Reporter) -> dict[str, float]:
        """One pass; returns the mean of each loss part over steps and processes."""
        seed_epoch(self.config.data.seed, epoch, self.context.rank)
        self.data.train.set_epoch(epoch)
        self.network.train(self.batch_norm_learns)
        totals: dict[str, float] = {}
        for batch in self.data.train:
            parts, lr = self._step(batch)
            totals = {name: totals.get(name, 0.0) + value for name, value in parts.items()}
            reporter.step(self.progress.iteration, parts, lr)
        means = torch.tensor(list(totals.values()), dtype=torch.float64, device=self.context.device)
        means = self.context.mean(means / len(self.data.train))
        return dict(zip(totals, means.tolist(), strict=True))

    def _step(self, batch: dict[str, Any]) -> tuple[dict[str, float], float]:
        """One optimiser step; returns the loss parts and the learning rate."""
        lr = self.plan.lr_at(self.progress.iteration, self.steps)
        set_lr(self.state.optimizer, lr)
        with _enough_values():
            losses = self.losses(batch)
        parts = {name: float(value.detach()) for name, value in losses.items()}
        where = f"at iteration {self.progress.iteration}; {self._advice()}"
        check_loss(parts, lambda: f"{culprit(self.state.model, batch['image'].to(self.context.device))} {where}")
        self.state.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["loss"])
        check_gradients(self.state.model, where)
        self.state.optimizer.step()
        self.state.average.update(self.state.model)
        self.progress.iteration += 1
        return parts, lr

    def _evaluate(self, reporter: Reporter) -> Result | None:
        """Score the first process's averaged weights on the evaluation list; the result is in the first process."""
        self.context.same(self.state.average.model)
        parts = self.context.gather(self._measured(reporter) if len(self.data.val) else None)
        if not parts:
            return None
        result = Result.joined([part for part in parts if part])
        reporter.evaluated(self.progress.iteration, self.val_set.class_names, result)
        return result

    def _measured(self, reporter: Reporter) -> Result:
        """Score this process's share of the evaluation list."""
        config, device = self.config, self.context.device
        return evaluate(
            self.averaged(),
            reporter.watched(self.data.val),
            config.num_classes,
            to_input=partial(network_input, mean=config.mean, std=config.std, fit=config.fit, device=device),
            align_corners=config.align_corners,
            fit=config.fit,
            device=device,
            record=reporter.record if config.task.maps else None,
            task=config.task,
        )

    def _advice(self) -> str:
        kept = f"the checkpoint after epoch {self.progress.epoch} is kept in {self.folder}"
        return f"{self.advice}; {kept if self.progress.epoch else 'no epoch was finished'}"


def _history(result: Result, names: Sequence[str]) -> dict[str, Any]:
    """The score, and the classes' in order, for history.json."""
    assert result.tally is not None
    scores = result.tally.scores(names)
    return {result.task.score: result.main, result.task.classes: list(scores[result.task.classes].values())}


@contextmanager
def _enough_values() -> Iterator[None]:
    """UserError for a batch normalisation that sees one value a channel: a pooled map of 1x1 of one picture."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise UserError(
            "a batch normalisation sees one value a channel, of which it can't learn; set TRAIN.BATCH_SIZE_PER_GPU to "
            "2 or more, or raise TRAIN.IMAGE_SIZE"
        ) from error
