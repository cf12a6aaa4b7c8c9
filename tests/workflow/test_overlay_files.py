from __future__ import annotations

from pathlib import Path

import pytest

from qat.errors import UserError
from qat.workflow.overlay_files import overlay_files


def made(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / name for name in names]


def test_pictures_that_differ_in_their_suffix_have_a_file_each(tmp_path: Path) -> None:
    pictures = made(tmp_path, "in/a.png", "in/a.jpg", "in/sub/a.png")
    files = overlay_files(pictures, tmp_path / "out")
    assert [str(file.relative_to(tmp_path / "out")) for file in files] == ["a.png.png", "a.jpg.png", "sub/a.png"]


def test_a_list_s_dots_stay_inside_the_output(tmp_path: Path) -> None:
    made(tmp_path, "images/a.png", "lists/more/b.png")
    pictures = [tmp_path / "lists/../images/a.png", tmp_path / "lists/more/b.png"]
    files = overlay_files(pictures, tmp_path / "out")
    assert files == [tmp_path / "out/images/a.png", tmp_path / "out/lists/more/b.png"]


@pytest.mark.parametrize("output", ["in", "in/../in", "link"])
def test_a_picture_is_never_overwritten(tmp_path: Path, output: str) -> None:
    pictures = made(tmp_path, "in/a.png", "in/b.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(UserError, match="overwrite the picture"):
        overlay_files(pictures, tmp_path / output)


def test_another_picture_than_the_file_s_own_is_never_overwritten(tmp_path: Path) -> None:
    pictures = made(tmp_path, "in/a.jpg", "in/other/a.png")
    with pytest.raises(UserError, match=r"overlay of .*a\.jpg would overwrite the picture"):
        overlay_files(pictures, tmp_path / "in" / "other")


def test_a_link_in_the_output_leads_nowhere(tmp_path: Path) -> None:
    pictures = made(tmp_path, "in/sub/a.jpg", "in/b.jpg")
    made(tmp_path, "elsewhere/c.txt", "out/d.txt")
    (tmp_path / "out/sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="by a link"):
        overlay_files(pictures, tmp_path / "out")


def test_names_that_still_meet_are_refused(tmp_path: Path) -> None:
    pictures = made(tmp_path, "in/a.jpg", "in/a.bmp", "in/a.jpg.tif")
    with pytest.raises(UserError, match="another picture's would both be"):
        overlay_files(pictures, tmp_path / "out")
