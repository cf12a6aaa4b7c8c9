"""Which of the calibration's pictures a method sees."""

from __future__ import annotations

from typing import Any

import pytest

from qat.config import load_config
from qat.workflow.calibration_pictures import FEW, CalibrationPictures


class Numbers(CalibrationPictures):
    """Gives the numbers of the pictures in place of their pixels."""

    def _of(self, indices: list[int], workers: int) -> Any:
        return iter(indices)


@pytest.mark.parametrize(("size", "seen"), [("2048,1024", FEW), ("512,256", FEW), ("128,128", 64), ("64,64", 256)])
def test_small_pictures_take_more_to_show_how_far_channels_reach(size: str, seen: int) -> None:
    nothing: Any = None
    pictures = Numbers(load_config("streets/pidnet_s", ["TEST.IMAGE_SIZE", size]), nothing, list(range(256)))
    assert len(list(pictures.for_ranges())) == seen
    assert len(list(pictures.few())) == FEW
