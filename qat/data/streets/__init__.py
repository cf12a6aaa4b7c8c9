"""Streets made of polygons: the embedded data set, painted from a seed with Cityscapes labels."""

from __future__ import annotations

from qat.data.streets.scene import render
from qat.data.streets.writer import VERSION, write

__all__ = ["VERSION", "render", "write"]
