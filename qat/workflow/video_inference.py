"""A video, a camera or a stream through a stage, beside float, with its flicker."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from yacs.config import CfgNode

from qat.distributed import current
from qat.errors import UserError
from qat.files import alone, check_place, write_json
from qat.report.mode_names import COMPARE, MASK
from qat.report.modes import finished
from qat.report.overlay import Picture, overlay
from qat.report.pictures import data_uri, fitted
from qat.stages import origin_of
from qat.stages.folders import VIDEO
from qat.video.encoders import choose_codec
from qat.video.flicker import Flicker, Strip
from qat.video.pipeline import Done, Job, run
from qat.video.source import name_of
from qat.video.steps import Steps
from qat.workflow.evaluation import announce
from qat.workflow.inference import check_mode, folder_of, painter_of
from qat.workflow.network import RGB, channels_of
from qat.workflow.persons import persons_in
from qat.workflow.predictor import Predictor, TaskDrawer, shown_stages
from qat.workflow.progress import Progress, silent
from qat.workflow.run import run_of

WIDEST = 3840  # pixels of a video: decoders of browsers and phones take no wider ones
ORT = "ort"  # the runtime whose files may have an open batch
THUMB = 240  # pixels, width of a strip's picture

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoInference:
    """A written video: what was done, its codec in words, and each stage's flicker (0 to 1); {} of other tasks."""

    stage: str
    path: Path
    codec: str
    done: Done
    flicker: Mapping[str, float]


def infer_video(
    config: CfgNode,
    progress: Progress = silent,
    *,
    source: str,
    stage: str = "float",
    output: str | Path | None = None,
    mode: str = COMPARE,
    batch: int = 8,
    frames: int = 0,
) -> VideoInference:
    """Write a video of what a stage predicts, and a record of its flicker beside it.

    Args:
        config: the run's config.
        progress: called with the frames done, the number of frames as far as it is known, and the frames a second.
        source: a video file, a camera's number, or a stream's address.
        stage: float, calib, qat, int_infer or compiled.
        output: the folder to write to; by default infer/ in the stage's folder.
        mode: compare (float, the stage and what changed side by side), overlay or colour.
        batch: frames that are computed at once, fewer where shared memory has no room for three such batches.
        frames: frames after which it ends; 0: all.

    Returns:
        The video's path, its speed, the time of each step and the flicker.

    Raises:
        UserError: if the source can't be read, the video would be written over it, the disk is full or a process dies;
            what was written till then is kept as `NAME.part.mp4` and plays.
    """
    if current().world > 1:
        raise UserError("a video goes through one process, which has a reader and a writer; leave out --processes")
    if batch < 1 or frames < 0:
        raise UserError(f"--batch {batch} --frames {frames}; expected at least 1 and 0")
    _check(config, mode)
    announce(config, stage)
    codec = choose_codec()
    path = folder_of(config, stage, output) / name_of(source, codec.suffix)
    _check_target(path, source)
    log.info("video: %s", codec.name)
    steps, stages = Steps(), shown_stages(stage, mode)
    frames_of = _Frames(config, [Predictor(config, name, steps) for name in stages], mode, steps)
    with alone(path):
        job = Job(source, path, codec, frames_of.paint, batch, frames)
        done = run(job, frames_of, steps, progress)
        if done.note:
            log.warning("%s", done.note)
        write_json(path.with_suffix(VIDEO), frames_of.record(done, dict(origin_of(run_of(config), stage).values)))
    return VideoInference(stage, path, codec.name, done, frames_of.flicker)


def _check(config: CfgNode, mode: str) -> None:
    check_mode(config, mode)
    if mode == MASK:
        raise UserError("mode mask writes class ids, which a video can't hold unharmed; give pictures, or another mode")
    if channels_of(config) != RGB:
        raise UserError(f"a video has 3 channels and the network takes {channels_of(config)}; give pictures as --input")


def _check_target(path: Path, source: str) -> None:
    check_place(path.parent, "--output")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.resolve() == Path(source).resolve():
        raise UserError(f"the video of {source} would be written over it; give another --output")


class _Frames:
    """Frames -> each stage's classes, for the writer to paint; of other tasks than segmentation drawn pictures."""

    def __init__(self, config: CfgNode, predictors: list[Predictor], mode: str, steps: Steps) -> None:
        self.predictors, self.steps = predictors, steps
        stages = tuple(each.stage for each in predictors)
        is_map = check_mode(config, mode).maps
        self._painter = painter_of(config, mode, stages, WIDEST)
        self.paint = self._painter if is_map else finished
        self._drawer = None if is_map else TaskDrawer(config, predictors, mode, persons_in(config, [], None))
        self._flickers = {stage: Flicker() for stage in stages} if is_map else {}
        self._strip, self._seen = Strip[str](), 0
        for name in filter(None, (each.takes_one for each in predictors)):
            more = "; COMPILE.DYNAMIC_BATCH makes one that takes more" if config.COMPILE.RUNTIME == ORT else ""
            log.info("%s takes one frame at a time%s", name, more)

    def __call__(self, frames: Sequence[Picture]) -> Picture:
        """The results of n frames (H, W, 3): classes (n, stages, H, W), or drawn pictures (n, height, width, 3)."""
        results = self._results(frames)
        if self._drawer is None:
            with self.steps.step("flicker"):
                self._watch(frames, results)
        return results

    def result_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the result of a frame of `shape`, found on a black one, whose time isn't counted."""
        found = self._results([np.zeros(shape, np.uint8)]).shape[1:]
        self.steps.reset()
        return found

    def _results(self, frames: Sequence[Picture]) -> Picture:
        if self._drawer is not None:
            return np.stack([self._drawer(Path(), frame) for frame in frames])
        with self.steps.step("preprocess"):
            images = np.stack(frames)
        return np.stack([predict.classes(images) for predict in self.predictors], 1)

    @property
    def flicker(self) -> dict[str, float]:
        """Each stage's share, over the whole video."""
        means = {stage: each.curve.mean for stage, each in self._flickers.items()}
        return {stage: mean for stage, mean in means.items() if mean is not None}

    def record(self, done: Done, made_from: dict[str, Any]) -> dict[str, Any]:
        """What the report draws: the curves, the strip of frames, the speed."""
        return {
            "made_from": made_from,
            "video": done.path.name,
            "frames": done.frames,
            "frames_a_second": done.rate,
            "flicker": self.flicker,
            "curves": {stage: each.curve.points for stage, each in self._flickers.items()},
            "frames_a_point": next((each.curve.span for each in self._flickers.values()), 1),
            "strip": [{"frame": index, "picture": picture} for index, picture in self._strip.items],
        }

    def _watch(self, frames: Sequence[Picture], classes: Picture) -> None:
        for own, flicker in zip(classes.swapaxes(0, 1), self._flickers.values(), strict=True):
            flicker.add(own)
        for frame, own in zip(frames, classes, strict=True):
            if self._strip.wants(self._seen):
                picture = overlay(frame, own[-1], self._painter.palette)
                self._strip.add(self._seen, data_uri(fitted(picture, THUMB)))
            self._seen += 1
