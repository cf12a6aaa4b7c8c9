"""What `hrt_model_exec perf --profile_path` leaves as profiler.csv: read by its own header line, shown as it stands.

No document of the vendor's says its columns (HorizonRDK/rdk_x3_doc and D-Robotics/rdk_doc name the file alone:
"profiler.log and profiler.csv, which analyse the time of operators and of scheduling"), so none is given a meaning or
a unit here: a file is shown whole, or refused in one line.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from qat.errors import UserError
from qat.tables import slim_table

EXPECTED = "a line of column names, then a line for each node with its name and its times"


@dataclass(frozen=True)
class ProfileCells:
    """A profiler.csv: its column names and its rows, every cell as it stands in the file."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_profile_cells(path: Path) -> ProfileCells:
    """Read profiler.csv; UserError for another file, or one that is seen to be cut short."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}; give profiler.csv of --profile_path") from error
    except UnicodeDecodeError as error:
        raise _another(str(path), "it isn't text") from error
    return profile_cells(text, str(path))


def profile_cells(text: str, where: str = "the text") -> ProfileCells:
    """The cells in the text of a profiler.csv.

    Args:
        text: comma-separated lines, the first one the columns' names. One column holds names, one a number in every
            row; a comma at the end of every line is none.
        where: names the text in an error.

    Returns:
        The cells as they stand, without spaces around them.

    Raises:
        UserError: where there is no such header, no row, a row of another length, or no closing line end.

    >>> profile_cells("node, avg_time\\nBPU_net, 4.50\\n").rows
    (('BPU_net', '4.50'),)
    """
    if not text.endswith("\n"):
        raise _another(where, "its last line has no end, so it may be cut short" if text else "it is empty")
    try:
        lines = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
    except csv.Error as error:
        raise _another(where, str(error)) from error
    fault = _fault(lines := _without_last_commas(lines))
    if fault:
        raise _another(where, fault)
    return ProfileCells(tuple(lines[0]), tuple(tuple(row) for row in lines[1:]))


def _without_last_commas(lines: list[list[str]]) -> list[list[str]]:
    return [row[:-1] for row in lines] if all(row and not row[-1] for row in lines) else lines


def _fault(lines: Sequence[Sequence[str]]) -> str:
    """What keeps the lines from being a profile; "" for nothing."""
    if len(lines) < 2:
        return "it has no row below its header"
    header, rows = lines[0], lines[1:]
    named = len(header) > 1 and all(header) and len(set(header)) == len(header) and "".join(header).isprintable()
    if not named or any(map(_is_number, header)):
        return "its first line doesn't name the columns"
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            return f"line {number} has {len(row)} cells, its header {len(header)}"
        if not "".join(row).isprintable():
            return f"line {number} has characters that can't be shown"
    return _column_fault(list(zip(*rows, strict=True)))


def _column_fault(columns: Sequence[Sequence[str]]) -> str:
    if not any(all(cells) and not any(map(_is_number, cells)) for cells in columns):
        return "no column holds names alone"
    return "" if any(all(map(_is_number, cells)) for cells in columns) else "no column holds numbers alone"


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _another(where: str, fault: str) -> UserError:
    return UserError(f"{where} isn't a whole profiler.csv: {fault}; expected {EXPECTED}; profiler.log has them too")


def cell_table(profile: ProfileCells) -> Table:
    """The cells for people, columns of numbers at the right."""
    columns = zip(profile.columns, zip(*profile.rows, strict=True), strict=True)
    left = {name for name, cells in columns if not all(map(_is_number, cells))}
    shown = slim_table(profile.columns, left=left, caption="profiler.csv as it stands: the vendor documents no units")
    for row in profile.rows:
        shown.add_row(*map(Text, row))
    return shown
