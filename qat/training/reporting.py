"""Reports of a run: the progress bar's text, lines in a log, tensorboard's scalars and pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorboardX import summary
from torch import Tensor

from qat.data.fit import Fit
from qat.data.image_io import rgb_view
from qat.evaluation import Result, upsample_argmax
from qat.evaluation.outputs import Outputs
from qat.training.events import EventFile
from qat.training.state import Progress

Advance = Callable[[int, str], None]  # steps done, text beside the bar
PICTURES = 4
_UP = 1e-12 * 1.1 ** np.arange(774)
BINS = [*-_UP[::-1], 0.0, *_UP]  # of histograms, as tensorboard's own: each 1.1 times the one before, up to 1e20
_log = logging.getLogger("qat.training")


@dataclass(frozen=True)
class ReportConfig:
    """`folder` gets train.log, `board` tensorboard's events; a line every `log_every` steps."""

    folder: Path
    board: Path
    epochs: int
    log_every: int
    align_corners: bool
    fit: Fit
    pictures: bool = True  # whether classes are drawn on the board


class _LogFile(logging.FileHandler):
    """A file of lines; a full disk takes no more of them, and the run goes on."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Leave the line out."""

    def close(self) -> None:
        """Write what is left."""
        with suppress(OSError):
            super().close()


class Reporter:
    """Reports to the bar, to train.log and to tensorboard; silent unless the main process's.

    A context manager: leaving it closes the files.
    """

    def __init__(self, config: ReportConfig, palette: NDArray[np.uint8], advance: Advance, main: bool) -> None:
        self.config, self.palette, self.advance, self.main = config, palette, advance, main
        self.score = ""
        self.seen: list[tuple[Tensor, Tensor]] = []  # of the evaluation's first pictures: image, label
        self.predicted: list[Tensor] = []

    def __enter__(self) -> Reporter:
        """Open the files."""
        self._open = ExitStack()
        if self.main:
            self.config.folder.mkdir(parents=True, exist_ok=True)
            handler = _LogFile(self.config.folder / "train.log")
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
        self.board = Board(self.config.board, self.palette, progress.iteration, self.main)
        self._open.callback(self.board.close)
        self.advance(progress.iteration, "")

    def step(self, iteration: int, parts: Mapping[str, float], lr: float) -> None:
        """After an optimiser step; `iteration` counts from 1."""
        text = f"loss {parts['loss']:.3f}  lr {lr:.2e}  {self.score}"
        self.advance(1, text)
        if self.main and iteration % self.config.log_every == 0:
            _log.info("iteration %d  %s", iteration, text)
            self.board.scalars(iteration, {**{f"train/{name}": value for name, value in parts.items()}, "train/lr": lr})

    def watched(self, batches: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The evaluation's batches; keeps the first pictures for the board."""
        self.seen, self.predicted = [], []
        for batch in batches:
            room = PICTURES - len(self.seen) if self.config.pictures else 0
            self.seen += list(zip(batch["image"][:room], batch["label"][:room], strict=True))
            yield batch

    def record(self, names: Sequence[str], logits: Outputs) -> None:
        """Keep the classes of the first pictures."""
        assert isinstance(logits, Tensor)
        for one in logits[: PICTURES - len(self.predicted)]:
            size, config = self.seen[len(self.predicted)][1].shape, self.config
            classes = upsample_argmax(one[None], size, config.align_corners, config.fit.canvas(size))
            self.predicted.append(classes[0].cpu())

    def evaluated(self, iteration: int, names: Sequence[str], result: Result) -> None:
        """After an evaluation."""
        if result.tally is None or result.main is None:  # pictures without labels
            return
        task, scores = result.task, result.tally.scores(names)
        self.score = f"{task.score_title} {result.main:.4f}"
        values = {f"val/{key}": value for key, value in scores.items() if key != task.classes}
        by_class = scores[task.classes].items()
        values |= {f"{task.classes}/{name}": value for name, value in by_class if value is not None}
        self.board.scalars(iteration, values)
        for index, ((image, label), prediction) in enumerate(zip(self.seen, self.predicted, strict=True)):
            self.board.picture(iteration, f"val/{index}", image, label, prediction)

    def epoch(self, record: Mapping[str, Any]) -> None:
        """After an epoch."""
        if self.main:
            parts = [f"{name} {value:.4f}" for name, value in record.items() if isinstance(value, float)]
            _log.info("epoch %d of %d: %s", record["epoch"], self.config.epochs, ", ".join(parts))


class Board:
    """Writes tensorboard's event files in `folder`; events of a killed run from `iteration` on are hidden."""

    def __init__(self, folder: Path, palette: NDArray[np.uint8], iteration: int = 0, write: bool = True) -> None:
        self._palette = palette
        self._file = EventFile(folder, iteration) if write else None

    def scalars(self, iteration: int, values: Mapping[str, float]) -> None:
        """Add a point to each named curve."""
        for name, value in values.items():
            self._add(summary.scalar(name.replace(" ", "_"), value), iteration)

    def histograms(self, iteration: int, values: Mapping[str, Tensor]) -> None:
        """Add the distribution of each named tensor's values."""
        for name, value in values.items():
            self._add(summary.histogram(name, value.detach().float().cpu().numpy(), BINS), iteration)

    def picture(self, iteration: int, name: str, image: Tensor, label: Tensor, prediction: Tensor) -> None:
        """Add image (H, W, 3) uint8 RGB, label and prediction (H, W) uint8, one below the other."""
        rows = [
            rgb_view(image.numpy()),
            colour(label.numpy(), self._palette),
            colour(prediction.numpy(), self._palette),
        ]
        self._add(summary.image(name, np.concatenate(rows), dataformats="HWC"), iteration)

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            self._file.close()

    def _add(self, content: Any, iteration: int) -> None:
        if self._file is not None:
            self._file.add(content, iteration)


def colour(classes: NDArray[Any], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Classes (H, W) uint8 -> RGB (H, W, 3); black where ignored or beyond the palette."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    painted: NDArray[np.uint8] = table[classes]
    return painted
