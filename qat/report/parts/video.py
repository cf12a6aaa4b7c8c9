"""A video's panel: frames with the stage's classes, and below them how many pixels change from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 600, 120  # of the curve's drawing
STAGES = 2  # curves: float and the stage


@dataclass(frozen=True)
class FlickerCurve:
    """A stage's curve: an SVG path, the points of its line, and its mean in percent."""

    stage: str
    points: str
    mean: str


@dataclass(frozen=True)
class VideoPanel:
    """A video of a stage: its frames (number from 1, data URI), its curves, and the percent at the drawing's top."""

    stage: str
    name: str
    frames: int
    strip: tuple[tuple[int, str], ...]
    curves: tuple[FlickerCurve, ...]
    top: str
    width: int = WIDTH
    height: int = HEIGHT


def video_panels(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[VideoPanel]:
    """A panel for each video; `records`: those of each stage, as `infer` writes them."""
    return [_panel(stage, record) for stage, videos in records.items() for record in videos]


def _panel(stage: str, record: Mapping[str, Any]) -> VideoPanel:
    curves: Mapping[str, Sequence[float]] = record["curves"]
    top = max((value for points in curves.values() for value in points), default=0.0) or 1.0
    return VideoPanel(
        stage=stage,
        name=record["video"],
        frames=record["frames"],
        strip=tuple((one["frame"] + 1, one["picture"]) for one in record["strip"]),
        curves=tuple(
            FlickerCurve(name, polyline(points, top), f"{100 * record['flicker'][name]:.2f}")
            for name, points in curves.items()
            if points
        ),
        top=f"{100 * top:.1f}",
    )


def polyline(points: Sequence[float], top: float) -> str:
    """The points of an SVG line over the whole drawing.

    >>> polyline([0.0, 0.5, 1.0], 1.0)
    '0.0,120.0 300.0,60.0 600.0,0.0'
    """
    step = WIDTH / max(len(points) - 1, 1)
    return " ".join(f"{step * index:.1f},{HEIGHT * (1 - value / top):.1f}" for index, value in enumerate(points))
