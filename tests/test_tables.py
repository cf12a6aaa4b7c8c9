"""A table says all it holds, in a pipe too."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from qat.tables import slim_table


def printed(width: int) -> list[str]:
    """The lines that hold something."""
    table = slim_table(("what", "dB"), left=("what",), wraps=("what",), title="Costs", caption="per layer")
    table.add_row("a-name-without-any-space", "7.5")
    text = StringIO()
    Console(file=text, width=width).print(table)
    return [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]


def test_numbers_stand_right_and_names_left() -> None:
    title, header, _, row, caption = printed(40)
    assert (title, caption) == ("Costs", "per layer")
    assert header.startswith(" what")
    assert header.endswith(" dB")
    assert row.endswith(" 7.5")
    assert len(header) == len(row)


def test_what_is_too_wide_goes_on_in_the_next_line() -> None:
    _, _, _, first, second, _ = printed(20)
    assert first == " a-name-without 7.5"
    assert second == " -any-space"
