"""Where frames come from: a video file, a camera or a stream, read by OpenCV, which turns them as the file says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from qat.errors import UserError
from qat.video.frames import Pixels

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv", ".3gp"),
    *(".mjpeg", ".mjpg", ".y4m", ".h264", ".h265", ".hevc"),
)
USUAL = 25.0  # frames a second, where the source doesn't say
_SANE = (1.0, 1000.0)  # of frames a second; cameras say 0, damaged files anything
_LONGEST = 60.0  # seconds from a frame to the next: what is longer is a damaged clock
_WHOLE = 0.9  # share of the frames that the header names: some formats only estimate them


def is_video(source: str) -> bool:
    """Whether an input is a video file by its suffix, a camera by its number, or a stream by its address.

    >>> is_video("drive.mp4"), is_video("0"), is_video("rtsp://camera/1"), is_video("a.png")
    (True, True, True, False)
    """
    return is_live(source) or Path(source).suffix.lower() in SUFFIXES


def is_live(source: str) -> bool:
    """Whether a source is a camera or a stream, whose end isn't known."""
    return _is_camera(source) or "://" in source


def _is_camera(source: str) -> bool:
    return source.isdecimal() and not Path(source).exists()


def name_of(source: str, suffix: str) -> str:
    """What a video of a source is called: two files' names differ where theirs do.

    >>> name_of("a/drive.mp4", ".mp4"), name_of("a/drive.avi", ".mp4"), name_of("0", ".webm")
    ('drive.mp4', 'drive.avi.mp4', 'camera0.webm')
    >>> name_of("rtsp://camera:554/live/1?x=y", ".mp4")
    '1.mp4'
    """
    if _is_camera(source):
        return f"camera{source}{suffix}"
    name = Path(source.partition("://")[2].partition("?")[0] if is_live(source) else source).name or "stream"
    return f"{name.removesuffix(suffix)}{suffix}"


@dataclass(frozen=True)
class Stream:
    """A source's size in pixels, its frames a second, and how many there are as far as it says; 0: it doesn't."""

    height: int
    width: int
    rate: float
    count: int


class Source:
    """An opened source; its first frame is read, so that its size is known as it is shown. `most`: frames; 0: all."""

    def __init__(self, name: str, most: int = 0) -> None:
        self.name, self.most, self.frames = name, most, 0
        self._capture = _opened(name)
        self._clock, self._time, self._rate = 0.0, 0.0, USUAL
        self._first = self._read()
        if self._first is None:
            raise UserError(f"{_what(name)} holds no frame that can be read: is it empty, or its codec not here?")
        self.stream = _stream(self._capture, self._first[0], is_live(name))
        self._rate = self.stream.rate

    def __iter__(self) -> Iterator[tuple[Pixels, float]]:
        """Each frame (H, W, 3) RGB of the first one's size, and its time in seconds."""
        found = self._first
        while found is not None:
            self.frames += 1
            yield self._fitted(found[0]), found[1]
            found = None if self.frames == self.most else self._read()

    @property
    def note(self) -> str:
        """What a reader should know of a source that has ended; "" where nothing is amiss."""
        if self.frames == self.most:
            return ""
        if _is_camera(self.name):
            return f"camera {self.name} gives no more frames after {self.frames}: it has gone away, or another has it"
        if self.frames < self.stream.count * _WHOLE:
            told = f"{self.frames} of the {self.stream.count} frames that its header names can be read"
            return f"{self.name} is truncated or damaged: {told}"
        return ""

    def close(self) -> None:
        """Let go of the source."""
        self._capture.release()

    def _read(self) -> tuple[Pixels, float] | None:
        there, frame = self._capture.read()
        if not there:
            return None
        now = time.monotonic() if _is_camera(self.name) else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        self._time += self._step(now - self._clock) if self.frames else 0.0
        self._clock = now
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8), self._time

    def _step(self, seconds: float) -> float:
        """The time since the last frame; a usual step where the source's clock stands, goes back or jumps."""
        return seconds if 0 < seconds <= _LONGEST else 1 / self._rate

    def _fitted(self, frame: Pixels) -> Pixels:
        """The frame at the first one's size; streams may change theirs."""
        size = (self.stream.width, self.stream.height)
        return frame if frame.shape[1::-1] == size else np.asarray(cv2.resize(frame, size), np.uint8)


def _opened(name: str) -> Any:
    if not is_live(name) and not Path(name).is_file():
        raise UserError(f"no video {name}; expected a file, a camera's number such as 0, or an address such as rtsp://")
    try:
        capture = cv2.VideoCapture(int(name) if _is_camera(name) else name)
    except cv2.error as error:
        raise UserError(f"can't open {_what(name)}: {error.err}") from error
    if not capture.isOpened():
        raise UserError(f"can't open {_what(name)}: {_why(name)}")
    return capture


def _why(name: str) -> str:
    if _is_camera(name):
        return "no camera of that number here, or another program has it"
    if is_live(name):
        return "no answer, or no video there; check the address"
    return "it is damaged (or cut off before its index), no video, or of a codec that isn't here"


def _what(name: str) -> str:
    return f"camera {name}" if _is_camera(name) else name


def _stream(capture: Any, frame: Pixels, live: bool) -> Stream:
    rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    is_sane = _SANE[0] <= rate <= _SANE[1]
    known = 0 if live or not 0 < count < 1e9 else int(count)
    return Stream(frame.shape[0], frame.shape[1], float(rate) if is_sane else USUAL, known)
