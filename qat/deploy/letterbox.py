"""A picture of any size in a network's input, at its own aspect ratio between two grey bars, and boxes back.

As YOLOv5 does it (github.com/ultralytics/yolov5): an odd number of rows or columns has the larger half at the right
or bottom, and boxes go back by the halves before they were rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

GREY = 114
LETTERBOX = "letterbox"  # how a file's facts and TEST.FIT name it
Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Letterbox:
    """Where a picture of the size `picture` lies in an input of the size `network`; both are (height, width).

    >>> box = Letterbox((480, 640), (256, 256))
    >>> box.scaled, box.bars
    ((192, 256), (32, 32, 0, 0))
    """

    picture: Size
    network: Size

    @property
    def ratio(self) -> float:
        """The picture's sides in the input over its own."""
        return min(self.network[0] / self.picture[0], self.network[1] / self.picture[1])

    @property
    def scaled(self) -> Size:
        """The picture's size in the input."""
        height, width = (max(round(side * self.ratio), 1) for side in self.picture)
        return height, width

    @property
    def bars(self) -> tuple[int, int, int, int]:
        """Grey rows above and below, and columns at the left and right."""
        down, across = ((whole - part) / 2 for whole, part in zip(self.network, self.scaled, strict=True))
        return round(down - 0.1), round(down + 0.1), round(across - 0.1), round(across + 0.1)

    def fill(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, C) of the size `picture` -> (h, w, C) of the size `network`; of that size already, the same array."""
        if self.picture == self.network:
            return picture
        height, width = self.scaled
        inside = picture
        if self.scaled != self.picture:
            inside = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        channels = picture.shape[2]
        whole = np.full((*self.network, channels), GREY, np.uint8)
        top, _, left, _ = self.bars
        whole[top : top + height, left : left + width] = inside.reshape(height, width, channels)
        return whole

    def back(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Corners (n, 4) and more columns, in the input's pixels -> in the picture's, cut at its rim."""
        height, width = self.picture
        result: NDArray[np.float32] = boxes.copy()
        offset = [(self.network[axis] - self.picture[axis] * self.ratio) / 2 for axis in (1, 0)]
        result[:, :4] = (boxes[:, :4] - np.asarray([*offset, *offset], np.float32)) / np.float32(self.ratio)
        result[:, :4] = result[:, :4].clip(0, np.asarray([width, height, width, height], np.float32))
        return result

    def into(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Corners (n, 4) and more columns, in the picture's pixels -> in the input's."""
        top, _, left, _ = self.bars
        result: NDArray[np.float32] = boxes.copy()
        result[:, :4] = boxes[:, :4] * np.float32(self.ratio) + np.asarray([left, top, left, top], np.float32)
        return result
