"""The lines of a list file: an image and its label, or an image, in whatever way people write two paths."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from qat.errors import UserError

Exists = Callable[[str], bool]


def list_rows(path: Path, text: str, exists: Exists) -> list[list[str]]:
    """Returns the cells of each line: one or two paths.

    `exists`: whether there is a file of a path. Columns are parted by a comma, a tab or white space; paths may stand in
    quotes and hold blanks or backslashes: of several readings the first counts whose files exist. Empty lines, `#`
    lines and a header without any file are left out. Raises UserError for a line of another form.
    """
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return [_cells(path, number, line, exists) for number, line in lines[_headers(lines, exists) :]]


def _headers(lines: Sequence[tuple[int, str]], exists: Exists) -> int:
    """1 where the first line names columns: words without a suffix that are no files."""
    first = next(_readings(lines[0][1])) if lines else []
    return int(len(first) == 2 and not any(Path(cell).suffix or exists(cell) for cell in first))


def _cells(path: Path, number: int, line: str, exists: Exists) -> list[str]:
    readings = list(_readings(line))
    valid = [cells for cells in readings if len(cells) <= 2 and all(cells)]
    there = next((cells for cells in valid if all(map(exists, cells))), None)
    if there is None and readings[0] not in valid:
        raise UserError(f"{path}, line {number}: {line[:200]!r}; expected an image and a label, or an image")
    return there or readings[0]


def _readings(line: str) -> Iterator[list[str]]:
    """The ways in which a line may be meant, the likeliest first."""
    plain = list(_splits(line))
    yield from plain
    yield from ([cell.replace("\\", "/") for cell in cells] for cells in plain if "\\" in line)


def _splits(line: str) -> Iterator[list[str]]:
    for gap in (",", "\t"):
        if gap in line:
            cells = [cell.strip() for cell in _columns(line, gap)]
            yield cells[:1] if len(cells) == 2 and not cells[1] else cells
    if '"' in line:
        yield _columns(line, " ")
    yield line.split()
    yield [line]


def _columns(line: str, gap: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=gap, skipinitialspace=True))
    except csv.Error:  # a NUL, or a cell without end
        return []
