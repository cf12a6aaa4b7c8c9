"""The training pictures of a calibration, and the held-out ones on which choices are judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor
from yacs.config import CfgNode

from qat.data import SegmentationDataset, build_dataset, data_loader, evenly_spaced, held_out
from qat.data.content import pictures_of
from qat.data.transforms import network_input
from qat.errors import UserError
from qat.models import takes_letterbox
from qat.workflow.load import device
from qat.workflow.settings import data_spec, fit_of, inference_transform

FEW = 8  # pictures on which layers are ranked
SEEN = 2**20  # pixels that channel ranges are measured on: a map at 1/32 has a thousand values a channel in so many


@dataclass(frozen=True)
class CalibrationPictures:
    """QUANT.CALIB_IMAGES of the sorted training list, spread evenly, with inference transforms.

    `indices`: the calibration's pictures in `dataset`. Batches are normalised float32 (N, 3, H, W) on DEVICE, each in
    its own memory.
    """

    config: CfgNode
    dataset: SegmentationDataset
    indices: list[int]

    @classmethod
    def of(cls, config: CfgNode) -> CalibrationPictures:
        """The pictures that the config names."""
        dataset = build_dataset(data_spec(config), "train", inference_transform(config))
        return cls(config, dataset, evenly_spaced(len(dataset), config.QUANT.CALIB_IMAGES))

    @cached_property
    def names(self) -> str:
        """Their names, one a line: images.txt."""
        return "".join(f"{self.dataset.entries[index].name}\n" for index in self.indices)

    @cached_property
    def content(self) -> dict[str, str]:
        """What identifies the pictures' files, by name."""
        return pictures_of(self.dataset, self.indices)

    def batches(self, done: int = 0, workers: int = 0) -> Iterator[Tensor]:
        """Yields batches of QUANT.CALIB_BATCH_SIZE after the first `done`; UserError for pictures of another size."""
        return self._of(self.indices[done * self.config.QUANT.CALIB_BATCH_SIZE :], workers)

    def chosen(self, batches: Sequence[int], workers: int = 0) -> Iterator[Tensor]:
        """Yields the batches of these numbers, each as `batches` yields it."""
        size = self.config.QUANT.CALIB_BATCH_SIZE
        yield from self._of([i for batch in batches for i in self.indices[batch * size : (batch + 1) * size]], workers)

    def few(self) -> Iterator[Tensor]:
        """Yields a few of the batches, evenly spaced."""
        return self._spread(FEW)

    def for_ranges(self) -> Iterator[Tensor]:
        """Yields as few as say how far each channel reaches; of small pictures these are many."""
        width, height = self.config.TEST.IMAGE_SIZE
        return self._spread(max(FEW, -(-SEEN // (width * height))))

    def _spread(self, count: int) -> Iterator[Tensor]:
        return self._of(self.indices[:: max(len(self.indices) // count, 1)], 0)

    def held_out(self) -> list[int]:
        """Returns indices of QUANT.HELD_OUT_IMAGES further pictures, to judge choices on; UserError if none is left."""
        indices = held_out(len(self.dataset), self.indices, self.config.QUANT.HELD_OUT_IMAGES)
        if not indices:
            raise UserError(
                f"calibration takes all {len(self.dataset)} training pictures, and QUANT.OBSERVER auto and "
                "QUANT.MAX_DROP judge on others; lower QUANT.CALIB_IMAGES"
            )
        return indices

    def _of(self, indices: list[int], workers: int) -> Iterator[Tensor]:
        data, fit, where = self.config.DATASET, fit_of(self.config), device(self.config)
        for batch in data_loader(self.dataset, self.config.QUANT.CALIB_BATCH_SIZE, workers, indices=indices):
            yield network_input(self._sized(batch["image"]), data.MEAN, data.STD, fit, where)

    def _sized(self, images: Tensor) -> Tensor:
        """Returns `images` (N, H, W, 3) uint8; UserError unless they have the size that the int8 graph is built for."""
        (height, width), (graph_width, graph_height) = images.shape[1:3], self.config.TEST.IMAGE_SIZE
        if (width, height) != (graph_width, graph_height):
            any_size = ", or TEST.FIT letterbox for any" if takes_letterbox(self.config.MODEL.NAME) else ""
            raise UserError(
                f"a training picture is {width}x{height}, and the int8 graph is built for TEST.IMAGE_SIZE "
                f"{graph_width}x{graph_height}; set TEST.IMAGE_SIZE {width},{height}{any_size}"
            )
        return images
