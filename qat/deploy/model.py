"""A file that is open: a picture in, what its task finds out, and the time of each step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qat.deploy.facts import Facts
from qat.deploy.metadata import read_facts
from qat.deploy.pictures import Picture, network_input
from qat.deploy.sessions import Row, Session, chosen, open_session
from qat.deploy.tasks import DeployTask, task_of
from qat.errors import as_user_error

STEPS = ("read", "preprocess", "infer", "post-process", "write")


@dataclass
class Model:
    """A file, its facts, its task and its runtime's session; `seconds`: of each step, picture by picture."""

    path: Path
    facts: Facts
    task: DeployTask
    row: Row
    session: Session
    seconds: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})

    def run(self, picture: Picture) -> NDArray[Any]:
        """What the file finds in a picture.

        Args:
            picture: (H, W, channels) uint8, RGB or grey.

        Returns:
            Segmentation: classes uint8 (H, W). Classification: (five, 2), class and chance. Detection: (k, 6), corners
            x1, y1, x2, y2 in the picture's pixels, score, class. Key points: (points, 3), x, y in pixels and the peak.

        Raises:
            UserError: where the runtime fails.
        """
        with self.timed("preprocess"):
            x = network_input(picture, self.facts)
        with self.timed("infer"), as_user_error(f"{self.row.name} can't run {self.path}"):
            outputs = self.session.run(x)
        hint = "are the file's facts those of another network?"
        with self.timed("post-process"), as_user_error(f"{self.path}: its outputs aren't {self.task.name}'s", hint):
            return self.task.decode(outputs, (picture.shape[0], picture.shape[1]), self.facts)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the block's time to a step."""
        start = time.perf_counter()
        yield
        self.seconds[step].append(time.perf_counter() - start)

    def milliseconds(self, step: str) -> float:
        """The median of a step; 0 where it wasn't taken."""
        return 1000 * median(self.seconds[step] or [0.0])


def open_model(path: Path, runtime: str = "", threads: int = 1, device: str = "") -> Model:
    """Open a file of `rtseg-qat compile` or `export`.

    Args:
        path: the file; .mnn and .ncnn.param have model.json beside them.
        runtime: ort, openvino, opencv, mnn or ncnn; "" for the first here that takes the file.
        threads: of the CPU.
        device: in the runtime's own words; "" for the CPU.

    Returns:
        The open file.

    Raises:
        UserError: no such file, runtime or device, a damaged file, one that doesn't say what it is.
    """
    facts = read_facts(path)
    row = chosen(path, runtime, facts.form)
    return Model(path, facts, task_of(facts), row, open_session(path, row, threads, device))


def example_input(facts: Facts) -> NDArray[Any]:
    """What the network takes for a picture of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (*facts.picture, len(facts.mean)))
    return network_input(noise.astype(np.uint8), facts)
