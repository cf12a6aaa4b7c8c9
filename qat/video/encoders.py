"""Video files: H.264 in MP4 by PyAV where it is installed, else VP9 in WebM or MPEG-4 in MP4 by OpenCV.

PyAV's wheels bring libx264, whose licence is the GPL, so it is an extra. What is written can be played at any moment:
an MP4 is written in fragments, which its end joins (FFmpeg's movflags hybrid_fragmented), and WebM is a stream.
https://ffmpeg.org/ffmpeg-formats.html#mov_002c-mp4_002c-ismv
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from qat.errors import UserError
from qat.files import scratch_folder
from qat.video.frames import Pixels

CLOCK = 90_000  # ticks a second of an MP4's times
_SPARE = 1 << 20  # bytes that a disk needs to have free: OpenCV doesn't say when it is full


class Encoder(Protocol):
    """A video file that is being written."""

    def write(self, frame: Pixels, seconds: float) -> None:
        """Add a frame (H, W, 3) RGB that is shown from `seconds` on; OSError where the disk takes no more."""

    def close(self) -> None:
        """End the file."""


@dataclass(frozen=True)
class Codec:
    """How a file is encoded: `name` for messages, the file's `suffix`, and OpenCV's letters; "" for PyAV."""

    name: str
    suffix: str
    letters: str = ""


H264 = Codec("H.264 by PyAV's libx264", ".mp4")
OPENCV = (Codec("VP9 by OpenCV", ".webm", "VP90"), Codec("MPEG-4 (mp4v) by OpenCV", ".mp4", "mp4v"))


def choose_codec() -> Codec:
    """The best codec here; UserError where there is none."""
    if find_spec("av") is not None:
        return H264
    for codec in OPENCV:
        if _works(codec):
            return codec
    raise UserError("no codec to write a video with is here; install the extra: pip install 'rtseg-qat[video]'")


def _works(codec: Codec) -> bool:
    with scratch_folder() as folder:
        try:
            OpenCvEncoder(folder / f"probe{codec.suffix}", (64, 64), 25.0, codec).close()
        except UserError:
            return False
        return True


def open_encoder(path: Path, size: tuple[int, int], rate: float, codec: Codec) -> Encoder:
    """Begin a video at `path`, of frames of `size` (height, width), `rate` a second."""
    kinds: dict[bool, Callable[..., Encoder]] = {True: OpenCvEncoder, False: PyAvEncoder}
    return kinds[bool(codec.letters)](path, size, rate, codec)


class PyAvEncoder:
    """H.264 in MP4; each frame keeps its own time, so that a variable rate stays one."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float, codec: Codec) -> None:
        import av

        self._av, self._last = av, -1
        flags = {"movflags": "+frag_keyframe+empty_moov+default_base_moof+hybrid_fragmented", "flush_packets": "1"}
        self._file: Any = av.open(str(path), "w", format="mp4", options=flags)
        self._stream: Any = self._file.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        self._stream.height, self._stream.width = (_even(side) for side in size)
        self._stream.pix_fmt = "yuv420p"  # what browsers play
        self._stream.options = {"preset": "veryfast", "crf": "23", "g": str(max(1, round(2 * rate)))}
        self._stream.codec_context.time_base = Fraction(1, CLOCK)

    def write(self, frame: Pixels, seconds: float) -> None:
        """See `Encoder.write`."""
        picture = self._av.VideoFrame.from_ndarray(evened(frame), format="rgb24")
        self._last = max(self._last + 1, round(seconds * CLOCK))
        picture.pts, picture.time_base = self._last, Fraction(1, CLOCK)
        self._mux(self._stream.encode(picture))

    def close(self) -> None:
        """See `Encoder.close`."""
        try:
            self._mux(self._stream.encode(None))
        finally:
            self._file.close()

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            self._file.mux(packet)


class OpenCvEncoder:
    """A file of a constant rate: frames are repeated or left out so that each is shown at its time."""

    def __init__(self, path: Path, size: tuple[int, int], rate: float, codec: Codec) -> None:
        self._path, self._rate, self._written = path, rate, 0
        height, width = (_even(side) for side in size)
        letters = cv2.VideoWriter.fourcc(*codec.letters)
        self._file = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, letters, rate, (width, height))
        if not self._file.isOpened():
            raise UserError(f"can't begin {path} as {codec.name}; check the folder and its rights")

    def write(self, frame: Pixels, seconds: float) -> None:
        """See `Encoder.write`."""
        if shutil.disk_usage(self._path.parent).free < _SPARE:
            raise OSError(28, "No space left on device")
        picture = cv2.cvtColor(evened(frame), cv2.COLOR_RGB2BGR)
        while self._written <= round(seconds * self._rate):
            self._file.write(picture)
            self._written += 1

    def close(self) -> None:
        """See `Encoder.close`."""
        self._file.release()


def evened(frame: Pixels) -> Pixels:
    """The frame with even sides, which codecs want: a last row or column is repeated.

    >>> evened(np.zeros((3, 5, 3), np.uint8)).shape
    (4, 6, 3)
    """
    below, right = frame.shape[0] % 2, frame.shape[1] % 2
    return np.pad(frame, ((0, below), (0, right), (0, 0)), mode="edge") if below or right else frame


def _even(side: int) -> int:
    return side + side % 2
