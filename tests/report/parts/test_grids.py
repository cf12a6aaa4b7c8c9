from __future__ import annotations

import pytest

from qat.report.parts.grids import grids


def entry(ends: list[float], seen: list[float] | None) -> dict[str, object]:
    return {"scale": 0.02, "zero_point": 128, "range": ends, "seen": seen, "observer": "mse"}


@pytest.mark.parametrize(
    ("ends", "seen", "kept"),
    [
        ([-2.0, 2.0], [-1.0, 1.5], "100"),
        ([-2.0, 2.0], [0.0, 4.0], "50"),
        ([-2.0, 2.0], [-8.0, 4.0], "25"),
        ([-2.0, 2.0], [1.0, 1.5], "100"),
        ([-2.0, 2.0], [0.0, 0.0], "100"),
        ([-2.0, 2.0], None, "–"),
    ],
)
def test_the_share_that_the_grid_holds(ends: list[float], seen: list[float] | None, kept: str) -> None:
    (found,) = grids({"add": entry(ends, seen)}, "")
    assert found.kept == kept
    assert (found.range, found.scale, found.zero_point) == ("−2.00 to 2.00", "0.0200", "128")
