"""Streets made of polygons: the embedded data set, painted from a seed with Cityscapes labels."""

from __future__ import annotations

from datasets.streets.scene import render
from datasets.streets.writer import VERSION, write

__all__ = ["VERSION", "render", "write"]
