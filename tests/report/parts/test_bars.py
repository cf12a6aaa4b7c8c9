from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qat.report.parts.bars import panel

VALUES = st.dictionaries(st.text(max_size=3), st.none() | st.floats(-1e3, 1e3), max_size=8)


@given(VALUES, st.none() | st.floats(-1e3, 1e3))
def test_everything_lies_within_the_panel(values: dict[str, float | None], limit: float | None) -> None:
    drawn = panel("t", "%", values, str, limit)
    assert [bar.name for bar in drawn.bars] == [name for name, value in values.items() if value is not None]
    places = [bar.left for bar in drawn.bars] + [bar.left + bar.width for bar in drawn.bars]
    for place in [*places, drawn.zero, *([] if drawn.mark is None else [drawn.mark])]:
        assert -1e-6 <= place <= 100 + 1e-6


def test_bars_begin_or_end_at_zero_and_are_in_proportion() -> None:
    drawn = panel("t", "%", {"a": -1.0, "b": 3.0}, lambda value: f"{value:g}", -1.0, "limit")
    loss, gain = drawn.bars
    assert (drawn.zero, drawn.mark) == (25, 0)
    assert loss.left + loss.width == gain.left == drawn.zero
    assert gain.width == 3 * loss.width
    assert [bar.text for bar in drawn.bars] == ["-1", "3"]


@pytest.mark.parametrize("values", [{}, {"a": None}, {"a": 0.0}])
def test_nothing_to_draw_is_no_error(values: dict[str, float | None]) -> None:
    assert all(bar.width == 0 for bar in panel("t", "", values, str).bars)
