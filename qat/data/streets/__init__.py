"""Streets made of polygons: the embedded data set, painted from a seed with Cityscapes labels."""

from __future__ import annotations

from qat.data.streets.objects import CLASSES, instance_map, objects
from qat.data.streets.scene import paint, render
from qat.data.streets.writer import VERSION, write, write_boxes, write_crops, write_points

__all__ = [
    "CLASSES",
    "VERSION",
    "instance_map",
    "objects",
    "paint",
    "render",
    "write",
    "write_boxes",
    "write_crops",
    "write_points",
]
