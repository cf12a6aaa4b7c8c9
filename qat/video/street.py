"""A street as a video: a camera that moves over one painted street, as test input and for a first try."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from qat.data.streets import render
from qat.files import atomic_path
from qat.video.encoders import choose_codec, open_encoder
from qat.video.frames import Pixels

RATE = 25.0  # frames a second
_ROOM = 1.25  # of the painted street's sides over a frame's: the window moves in what is left


def street_frames(frames: int, size: tuple[int, int] = (512, 256), seed: int = 0) -> Iterator[Pixels]:
    """Frames (H, W, 3) uint8 RGB of a window that goes from left to right over a painted street, and sways.

    Args:
        frames: how many.
        size: width and height of a frame in pixels.
        seed: of the street (`qat.data.streets.render`).

    Example:
        >>> [frame.shape for frame in street_frames(2, (64, 32))]
        [(32, 64, 3), (32, 64, 3)]
    """
    (width, height), whole = size, (math.ceil(size[0] * _ROOM), math.ceil(size[1] * _ROOM))
    street, _ = render(seed, whole)
    for index in range(frames):
        share = index / max(1, frames - 1)
        across = (whole[0] - 1 - width) * share
        down = (whole[1] - 1 - height) * (0.5 + 0.2 * math.sin(8 * math.pi * share))
        centre = (across + (width - 1) / 2, down + (height - 1) / 2)
        yield np.asarray(cv2.getRectSubPix(street, (width, height), centre), np.uint8)


def write_street(folder: str | Path, frames: int = 100, size: tuple[int, int] = (512, 256), seed: int = 0) -> Path:
    """Write the frames as the video street.mp4 (street.webm without PyAV) into a folder; returns its path."""
    codec = choose_codec()
    path = Path(folder) / f"street{codec.suffix}"
    with atomic_path(path) as aside:
        named = aside.with_name(aside.name + codec.suffix)  # OpenCV takes the format from it
        encoder = open_encoder(named, (size[1], size[0]), RATE, codec)
        for index, frame in enumerate(street_frames(frames, size, seed)):
            encoder.write(frame, index / RATE)
        encoder.close()
        named.rename(aside)
    return path
