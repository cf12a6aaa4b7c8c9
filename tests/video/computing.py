"""What tests compute on frames: two stages' classes, made of the red and the green channel."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from qat.report.modes import Painter
from qat.video.encoders import Codec, choose_codec, open_encoder
from qat.video.frames import Pixels
from qat.video.pipeline import Job, run
from qat.video.steps import Steps
from qat.video.street import street_frames

PALETTE = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]], np.uint8)


@dataclass
class Halves:
    """Each frame's classes, (n, 2, H, W); `slow`: seconds that a frame takes at least; `sizes`: of the batches."""

    slow: float = 0.0
    sizes: list[int] = field(default_factory=list)

    def __call__(self, frames: Sequence[Pixels]) -> Pixels:
        time.sleep(self.slow * len(frames))
        self.sizes.append(len(frames))
        return np.stack([np.stack([frame[..., 0] // 64, frame[..., 1] // 64]) for frame in frames])

    def result_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (2, *shape[:2])


def painter(mode: str = "overlay") -> Painter:
    return Painter(mode, ("float", "int8"), ("a", "b", "c", "d"), PALETTE)


def write(path: Path, frames: int = 20, size: tuple[int, int] = (64, 48), codec: Codec | None = None) -> Path:
    """A small street as a video of 10 frames a second."""
    encoder = open_encoder(path, (size[1], size[0]), 10.0, codec or choose_codec())
    for index, frame in enumerate(street_frames(frames, size)):
        encoder.write(frame, index / 10)
    encoder.close()
    return path


def main(source: str, target: str) -> None:
    """A slow run, for a test that kills it: it says each batch."""

    def say(done: int, total: int, text: str) -> None:
        print(f"done {done}", flush=True)

    run(Job(source, Path(target), choose_codec(), painter(), batch=2), Halves(slow=0.05), Steps(), say)


if __name__ == "__main__":
    main(*sys.argv[1:])
