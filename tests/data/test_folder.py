from __future__ import annotations

from pathlib import Path

import pytest

from qat.data.folder import find_images
from qat.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "sub/c.jpeg", "notes.md", "label.json"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def test_one_image(root: Path) -> None:
    assert find_images(root / "b.png") == [root / "b.png"]


def test_a_folder_is_sorted_and_searched_below(root: Path) -> None:
    assert find_images(str(root)) == [root / "a.JPG", root / "b.png", root / "sub/c.jpeg"]


def test_a_list_file_names_images_beside_it(root: Path) -> None:
    (root / "some.txt").write_text("sub/c.jpeg\nb.png\n")
    assert find_images(root / "some.txt") == [root / "b.png", root / "sub/c.jpeg"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("none.png", "does not exist"), ("notes.md", "no image and no list file"), ("empty", "holds no image")],
)
def test_nothing_to_read_is_one_clear_line(root: Path, name: str, words: str) -> None:
    (root / "empty").mkdir()
    with pytest.raises(UserError, match=f"{name}.*{words}"):
        find_images(root / name)
