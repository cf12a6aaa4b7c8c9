"""What people see of a run: the progress bar's text, lines in a log, tensorboard."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from numpy.typing import NDArray
from torch import Tensor
from yacs.config import CfgNode

from qat.evaluation import Result, upsample_argmax
from qat.training.schedule import Plan
from qat.training.state import Progress
from qat.training.tensorboard import Board
from qat.workflow.stages import stage_folder

Advance = Callable[[int, str], None]  # steps done, text beside the bar
PICTURES = 4
_log = logging.getLogger("qat.training")


class Reporter:
    """Reports to the bar, to train.log in the stage's folder and to LOG_DIR; silent unless the main process's.

    A context manager: leaving it closes the files.
    """

    def __init__(self, cfg: CfgNode, plan: Plan, palette: NDArray[Any], advance: Advance, main: bool) -> None:
        self.cfg, self.plan, self.palette, self.advance, self.main = cfg, plan, palette, advance, main
        self.folder = stage_folder(cfg, plan.stage)
        self.mean_iou = ""
        self.seen: list[tuple[Tensor, Tensor]] = []  # of the evaluation's first pictures: image, label
        self.predicted: list[Tensor] = []

    def __enter__(self) -> Reporter:
        """Open the files."""
        self._open = ExitStack()
        if self.main:
            self.folder.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(self.folder / "train.log")
            handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            _log.addHandler(handler)
            self._open.callback(handler.close)
            self._open.callback(_log.removeHandler, handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        self._open.close()

    def start(self, progress: Progress) -> None:
        """Continue the bar and the board where the run is."""
        log_dir = Path(self.cfg.LOG_DIR, self.cfg.DATASET.DATASET, self.cfg.NAME, self.plan.stage)
        self.board = Board(log_dir, self.palette, progress.iteration, self.main)
        self._open.callback(self.board.close)
        self.advance(progress.iteration, "")

    def step(self, iteration: int, parts: Mapping[str, float], lr: float) -> None:
        """After an optimiser step; `iteration` counts from 1."""
        text = f"loss {parts['loss']:.3f}  lr {lr:.2e}  {self.mean_iou}"
        self.advance(1, text)
        if self.main and iteration % self.cfg.PRINT_FREQ == 0:
            _log.info("iteration %d  %s", iteration, text)
            self.board.scalars(iteration, {**{f"train/{name}": value for name, value in parts.items()}, "train/lr": lr})

    def watched(self, batches: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The evaluation's batches; keeps the first pictures for the board."""
        self.seen, self.predicted = [], []
        for batch in batches:
            room = PICTURES - len(self.seen)
            self.seen += list(zip(batch["image"][:room], batch["label"][:room], strict=True))
            yield batch

    def record(self, names: Sequence[str], logits: Tensor) -> None:
        """Keep the classes of the first pictures."""
        for one in logits[: PICTURES - len(self.predicted)]:
            size = self.seen[len(self.predicted)][1].shape
            self.predicted.append(upsample_argmax(one[None], size, self.cfg.MODEL.ALIGN_CORNERS)[0].cpu())

    def evaluated(self, iteration: int, names: Sequence[str], result: Result) -> None:
        """After an evaluation."""
        scores = result.scores
        self.mean_iou = f"mIoU {scores.mean_iou:.4f}"
        values = {"val/mean_iou": scores.mean_iou, "val/pixel_acc": scores.pixel_acc, "val/mean_acc": scores.mean_acc}
        values |= {
            f"class_iou/{name}": iou for name, iou in zip(names, scores.class_iou, strict=True) if iou is not None
        }
        self.board.scalars(iteration, values)
        for index, ((image, label), prediction) in enumerate(zip(self.seen, self.predicted, strict=True)):
            self.board.picture(iteration, f"val/{index}", image, label, prediction)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """After an epoch."""
        if self.main:
            parts = [f"{name} {value:.4f}" for name, value in record.items() if isinstance(value, float)]
            _log.info("epoch %d of %d: %s", record["epoch"], self.plan.epochs, ", ".join(parts))
