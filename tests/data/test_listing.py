from __future__ import annotations

from pathlib import Path

import pytest

from qat.data.listing import find_images, read_list
from qat.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (
        "images/b.png",
        "images/a.png",
        "images/my dog.png",
        "labels/a.png",
        "labels/b.png",
        "labels/my dog.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def write(root: Path, text: str) -> Path:
    path = root / "list.txt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("gap", [" ", "\t", "   ", ",", ", ", " ,\t"], ids=repr)
def test_white_space_or_comma_parts_the_columns(root: Path, gap: str) -> None:
    lines = "\n".join(f"images/{name}.png{gap}labels/{name}.png" for name in "ba")
    entries = read_list(write(root, lines), [root])
    assert [entry.name for entry in entries] == ["images/a", "images/b"]
    assert [entry.label for entry in entries] == [root / "labels/a.png", root / "labels/b.png"]


def test_a_comma_allows_spaces_in_paths(root: Path) -> None:
    (entry,) = read_list(write(root, "images/my dog.png, labels/my dog.png\r\n"), [root])
    assert entry.image == root / "images/my dog.png"


def test_empty_lines_comments_and_a_byte_order_mark_are_skipped(root: Path) -> None:
    entries = read_list(
        write(root, "\ufeffimages/a.png labels/a.png\n\n  # more\n \nimages/b.png labels/b.png\n\n"), [root]
    )
    assert len(entries) == 2


def test_a_list_of_images_only_has_no_labels(root: Path) -> None:
    assert [entry.label for entry in read_list(write(root, "images/b.png\nimages/a.png,\n"), [root])] == [None, None]


def test_the_base_is_where_the_first_image_lies(root: Path) -> None:
    (entry,) = read_list(write(root, "a.png"), [root, root / "images"])
    assert (entry.image, entry.name) == (root / "images/a.png", "a")


def test_absolute_paths_are_taken_as_they_are(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (entry,) = read_list(write(root, f"{root}/images/a.png {root}/labels/a.png"), [elsewhere])
    assert entry.image == root / "images/a.png"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no image"),
        ("# nothing\n\n", "names no image"),
        ("images/a.png labels/a.png\nimages/b.png labels/b.png 3", "line 2"),
        ("images/a.png,labels/a.png,", "line 1"),
        ("images/a.png labels/a.png\nimages/b.png", "lines without"),
        ("images/a.png labels/none.png", "labels/none.png"),
        ("images/a.png labels/a.png\nimages/none.png labels/a.png", "images/none.png"),
        ("images/a.png labels/a.png\nimages/a.png labels/b.png", "twice"),
    ],
)
def test_a_bad_list_is_one_clear_line(root: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        read_list(write(root, text), [root])
    assert "list.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unreadable_list_is_named(root: Path) -> None:
    with pytest.raises(UserError, match=r"none\.txt"):
        read_list(root / "none.txt", [root])
    (root / "binary.txt").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(UserError, match=r"binary\.txt: not UTF-8"):
        read_list(root / "binary.txt", [root])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("b.png", "a.JPG", "sub/c.jpeg", "notes.md", "label.json"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def test_one_image(pictures: Path) -> None:
    assert find_images(pictures / "b.png") == [pictures / "b.png"]


def test_a_folder_is_sorted_and_searched_below(pictures: Path) -> None:
    assert find_images(str(pictures)) == [pictures / "a.JPG", pictures / "b.png", pictures / "sub/c.jpeg"]


def test_a_list_file_names_images_beside_it(pictures: Path) -> None:
    (pictures / "some.txt").write_text("sub/c.jpeg\nb.png\n")
    assert find_images(pictures / "some.txt") == [pictures / "b.png", pictures / "sub/c.jpeg"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("none.png", "does not exist"), ("notes.md", "no image and no list file"), ("empty", "holds no image")],
)
def test_nothing_to_read_is_one_clear_line(pictures: Path, name: str, words: str) -> None:
    (pictures / "empty").mkdir()
    with pytest.raises(UserError, match=f"{name}.*{words}"):
        find_images(pictures / name)
