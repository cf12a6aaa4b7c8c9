"""profiler.csv, whose columns no document says: shown as it stands, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qat.compile.horizon_csv import profile_cells, read_profile_cells
from qat.errors import UserError

ROW = "BPU_net,3.40,3.8\n"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (f"node,avg_time,max_time\n{ROW}", 3),
        (f"\ufeffNode Name,  Time (us), Max\r\n{ROW}", 3),
        (f"a,b,c,\n{ROW[:-1]},\n", 3),
        ('index,name,ms\n0,"a, b",1e-3\n1,c,2\n', 3),
        ("name,on,ms\nx,CPU,1\ny,,2\n", 3),
    ],
    ids=["the log's own names", "any names, a byte order mark", "a comma at each end", "names second", "a gap"],
)
def test_any_header_is_taken(tmp_path: Path, text: str, columns: int) -> None:
    path = tmp_path / "profiler.csv"
    path.write_bytes(text.encode())
    found = read_profile_cells(path)
    assert len(found.columns) == columns
    assert all(len(row) == columns for row in found.rows)
    assert "\ufeff" not in found.columns[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "it is empty"),
        (f"node,avg,max\n{ROW[:-2]}", "its last line has no end, so it may be cut short"),
        ("node,avg,max\n", "it has no row below its header"),
        (f"{ROW}{ROW}", "its first line doesn't name the columns"),
        (f"node,time,time\n{ROW}", "its first line doesn't name the columns"),
        (f"node,,max\n{ROW}", "its first line doesn't name the columns"),
        ("node;avg\nBPU_net;3.4\n", "its first line doesn't name the columns"),
        (f"node,avg,max\n{ROW}BPU_b,3\n", "line 3 has 2 cells, its header 3"),
        (f"node,avg,max\n{ROW}\nother,x\na,1\n", "line 3 has 0 cells, its header 3"),
        ("node,avg\n1,3.4\n", "no column holds names alone"),
        ("node,avg\nBPU_net,3.4\nb,-\n", "no column holds numbers alone"),
        ("node,avg\nBPU_net,nan\n", "no column holds numbers alone"),
        ("node,avg\n\x1b[31mBPU,3.4\n", "line 2 has characters that can't be shown"),
        ('node,avg\n"BPU_net,3.4\n', "unexpected end of data"),
    ],
)
def test_another_file_is_one_line(text: str, fault: str) -> None:
    with pytest.raises(UserError) as refused:
        profile_cells(text, "profiler.csv")
    said = str(refused.value)
    assert said.startswith(f"profiler.csv isn't a whole profiler.csv: {fault}; expected a line of column names, then")
    assert "\n" not in said


def test_what_is_no_file_of_text(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"can't read .*; give profiler\.csv of --profile_path"):
        read_profile_cells(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_bytes(b"node,avg\n\xff\xfe,1\n")
    with pytest.raises(UserError, match="it isn't text"):
        read_profile_cells(tmp_path / "a.csv")
