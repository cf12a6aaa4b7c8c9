"""The training pictures that a calibration sees, and those that it is judged on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor
from yacs.config import CfgNode

from qat.data import SegmentationDataset, build_dataset, data_loader, evenly_spaced, held_out
from qat.data.transforms import InferenceTransform, normalise
from qat.errors import UserError
from qat.workflow.load import device
from qat.workflow.settings import data_spec

FEW = 8  # pictures that channel ranges are measured on


@dataclass(frozen=True)
class CalibrationPictures:
    """QUANT.CALIB_IMAGES of the sorted training list, spread evenly, with inference transforms.

    `indices`: of the calibration's own pictures in `dataset`. Batches are normalised float32 (N, 3, H, W) on DEVICE,
    each in memory of its own.
    """

    config: CfgNode
    dataset: SegmentationDataset
    indices: list[int]

    @classmethod
    def of(cls, config: CfgNode) -> CalibrationPictures:
        """As the config says."""
        dataset = build_dataset(data_spec(config), "train", InferenceTransform())
        return cls(config, dataset, evenly_spaced(len(dataset), config.QUANT.CALIB_IMAGES))

    @cached_property
    def names(self) -> str:
        """Their names, one a line: images.txt."""
        return "".join(f"{self.dataset.names[i]}\n" for i in self.indices)

    def batches(self, done: int = 0, workers: int = 0) -> Iterator[Tensor]:
        """Batches of QUANT.CALIB_BATCH_SIZE, without the first `done`; UserError for pictures of another size."""
        return self._of(self.indices[done * self.config.QUANT.CALIB_BATCH_SIZE :], workers)

    def few(self) -> Iterator[Tensor]:
        """Some of them, spread over all."""
        return self._of(self.indices[:: max(len(self.indices) // FEW, 1)], 0)

    def held_out(self) -> list[int]:
        """Indices of QUANT.HELD_OUT_IMAGES others, on which choices are judged; UserError if none is left."""
        found = held_out(len(self.dataset), self.indices, self.config.QUANT.HELD_OUT_IMAGES)
        if not found:
            raise UserError(
                f"calibration takes all {len(self.dataset)} training pictures, and QUANT.OBSERVER auto and "
                "QUANT.MAX_DROP judge on others; lower QUANT.CALIB_IMAGES"
            )
        return found

    def _of(self, indices: list[int], workers: int) -> Iterator[Tensor]:
        data, where = self.config.DATASET, device(self.config)
        for batch in data_loader(self.dataset, self.config.QUANT.CALIB_BATCH_SIZE, workers, indices=indices):
            yield normalise(self._sized(batch["image"]), data.MEAN, data.STD, where)

    def _sized(self, images: Tensor) -> Tensor:
        """`images` (N, H, W, 3) uint8, as they are if they have the size that the int8 graph is built for."""
        (height, width), (graph_width, graph_height) = images.shape[1:3], self.config.TEST.IMAGE_SIZE
        if (width, height) != (graph_width, graph_height):
            raise UserError(
                f"a training picture is {width}x{height}, and the int8 graph is built for TEST.IMAGE_SIZE "
                f"{graph_width}x{graph_height}; set TEST.IMAGE_SIZE {width},{height}"
            )
        return images
