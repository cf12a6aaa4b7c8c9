"""What a stage predicts of pictures, with the time of each step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from yacs.config import CfgNode

from qat.data import class_set
from qat.data.fit import Size
from qat.data.image_io import rgb_view
from qat.deploy.person_crop import PersonCrop
from qat.evaluation.outputs import Outputs
from qat.evaluation.tasks import Frame, Prediction, Task
from qat.evaluation.tasks.keypoints import KEYPOINTS
from qat.evaluation.tasks.task import Drawing
from qat.report.mode_names import COMPARE
from qat.report.overlay import Picture, panel, with_legend
from qat.video.steps import Steps
from qat.workflow.load import load_stage
from qat.workflow.measuring import stage_fit, to_input
from qat.workflow.network import network_spec, task_of
from qat.workflow.persons import Persons, points_in
from qat.workflow.settings import data_spec

Saw = Callable[[Path, Prediction], None]
log = logging.getLogger(__name__)


class Predictor:
    """A stage as a function from pictures (N, H, W, channels) uint8 to what it predicts of them, by its task."""

    def __init__(self, config: CfgNode, stage: str, steps: Steps) -> None:
        self.config, self.stage, self.steps = config, stage, steps
        self._network, self._fit = load_stage(config, stage), stage_fit(config, stage, one_size=True)
        self._prepare = to_input(config, stage, self._fit)

    def __call__(self, images: Picture) -> Prediction:
        """The predictions of pictures of one size."""
        outputs, size = self.outputs(images), (images.shape[1], images.shape[2])
        with self.steps.step("post-process"), torch.inference_mode():
            return self._task.predict(outputs, self._frame(size, len(images)))

    def _frame(self, size: Size, count: int) -> Frame:
        within, corners = self._fit.within(size), self.config.MODEL.ALIGN_CORNERS
        pictures = None if within == size else (size,) * count
        return Frame(within, self._fit.canvas(within), corners, pictures=pictures)

    def classes(self, images: Picture) -> Picture:
        """The class of each pixel, (N, H, W) uint8."""
        predicted = cast(Tensor, self(images))
        with self.steps.step("post-process"):
            return predicted.cpu().numpy()

    def outputs(self, images: Picture) -> Outputs:
        """The network's outputs, of batch N."""
        with torch.inference_mode():
            with self.steps.step("preprocess"):
                x = self._prepare(torch.from_numpy(images))
            with self.steps.step(f"infer {self.stage}"):
                outputs: Outputs = self._network(x)
                if x.is_cuda:
                    torch.cuda.synchronize()
        return outputs

    def of_picture(self, image: Picture, crops: Sequence[PersonCrop]) -> Prediction:
        """What it predicts of one picture (H, W, channels); a pose network in each of `crops`."""
        if self.is_pose:
            return points_in(image, crops, lambda cut: self(cut[None])[0])
        return self(image[None])[0]

    @property
    def is_pose(self) -> bool:
        """Whether the network looks for the points of one person."""
        return network_spec(self.config).task == KEYPOINTS.name

    @property
    def takes_one(self) -> str:
        """The name of a file that takes one picture at a time; "" where several go in at once."""
        session = getattr(self._network, "session", None)
        return session.artefact.path.name if session is not None and session.artefact.shape[0] == 1 else ""

    @cached_property
    def _task(self) -> Task:
        return task_of(self.config)


def shown_stages(stage: str, mode: str) -> tuple[str, ...]:
    """The stages that a mode shows, the asked one last.

    >>> shown_stages("int_infer", "compare"), shown_stages("int_infer", "mask"), shown_stages("float", "compare")
    (('float', 'int_infer'), ('int_infer',), ('float',))
    """
    return ("float", stage) if mode == COMPARE and stage != "float" else (stage,)


class TaskDrawer:
    """Draws what stages predict by their task: boxes, points, names; side by side and where they differ.

    `saw`: is told each picture's path and what the last stage predicts of it.
    """

    def __init__(
        self, config: CfgNode, predictors: list[Predictor], mode: str, where: Persons, saw: Saw = lambda *_: None
    ) -> None:
        self._predictors, self._mode, self._where, self._saw = predictors, mode, where, saw
        self._drawing, self._classes = cast(Drawing, task_of(config).drawing), class_set(data_spec(config))

    def __call__(self, path: Path, image: Picture) -> Picture:
        """The drawn picture of one picture (H, W, channels); its path says which persons are in it."""
        predicted = [each.of_picture(image, self._where(path, image)) for each in self._predictors]
        self._saw(path, predicted[-1])
        seen = rgb_view(image)
        panels = [
            (each.stage, self._drawing.prediction(seen, one, self._classes))
            for each, one in zip(self._predictors, predicted, strict=True)
        ]
        if self._mode != COMPARE:
            return panels[-1][1]
        if len(predicted) == 2:
            before, after = predicted
            panels.append(("difference", self._drawing.changes(seen, before, after, self._classes)))
        return with_legend(panel(panels), self._classes.names, self._classes.palette)
