from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qat.config import load_config
from qat.data import SegmentationDataset, build_dataset, class_set
from qat.data.descriptor import IGNORE
from qat.data.listing import find_images, read_list
from qat.data.transforms import InferenceTransform
from qat.errors import UserError
from qat.workflow.settings import data_spec

Save = Callable[[Path, np.ndarray], Path]
POTHOLES = """\
name: potholes
images: images/{split}
labels: masks/{split}
classes:
  - {name: road, id: 0}
  - {name: pothole, id: 255}
void: 7
"""


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


@pytest.mark.parametrize(
    "line",
    [
        "images/my dog.png\tlabels/my dog.png",
        '"images/my dog.png" "labels/my dog.png"',
        '"images/my dog.png","labels/my dog.png"',
        "images\\my dog.png,labels\\my dog.png",
    ],
)
def test_blanks_quotes_and_backslashes_are_read_as_the_files_that_exist(root: Path, line: str) -> None:
    (entry,) = read_list(write(root, line), [root])
    assert (entry.image, entry.label) == (root / "images/my dog.png", root / "labels/my dog.png")


def test_a_line_of_one_path_may_hold_blanks(root: Path) -> None:
    (entry,) = read_list(write(root, "images/my dog.png\n"), [root])
    assert (entry.image, entry.label) == (root / "images/my dog.png", None)


def test_a_header_is_left_out_and_a_missing_first_picture_is_not_one(root: Path) -> None:
    (entry,) = read_list(write(root, "image,label\nimages/a.png,labels/a.png\n"), [root])
    assert entry.image == root / "images/a.png"
    with pytest.raises(UserError, match=r"none\.png"):
        read_list(write(root, "none.png,none_label.png\nimages/a.png,labels/a.png\n"), [root])


def test_names_beyond_the_file_system_and_nul_bytes_are_one_line(root: Path) -> None:
    for name in ("x" * 300 + ".png", "a\0b.png"):
        with pytest.raises(UserError, match=r"does not exist|expected an image"):
            read_list(write(root, f"images/a.png\n{name}"), [root])


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


def test_linked_folders_are_searched_without_loops(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "disk/city").mkdir(parents=True)
    (tmp_path / "disk/city/d.png").touch()
    (pictures / "linked").symlink_to(tmp_path / "disk")
    (pictures / "sub/loop").symlink_to(pictures)
    (pictures / "above").symlink_to(tmp_path)
    (tmp_path / "disk/back").symlink_to(tmp_path / "disk")
    (pictures / "again").symlink_to(pictures / "sub")
    found = [pictures / name for name in ("a.JPG", "b.png", "linked/city/d.png", "sub/c.jpeg")]
    assert find_images(pictures) == found


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


@pytest.fixture
def folder(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "mine"
    for split, frames in (("train", ("b", "a", "city/c")), ("val", ("d",))):
        for index, frame in enumerate(frames):
            save(root / "images" / split / f"{frame}.jpg", np.full((4, 6, 3), 40 * index, np.uint8))
            mask = np.repeat(np.array([[0, 255, 7]], np.uint8), 2, axis=1).repeat(4, axis=0)
            save(root / "masks" / split / f"{frame}.png", mask)
    (root / "notes.md").touch()
    (root / "images" / "train" / "notes.txt").touch()
    (root / "potholes.yaml").write_text(POTHOLES)
    return root


def build(folder: Path, split: str = "train", *opts: str, name: str = "potholes.yaml") -> SegmentationDataset:
    cfg = load_config(None, ["DATASET.DATASET", str(folder / name), *opts])
    return build_dataset(data_spec(cfg), split, InferenceTransform())


def test_pictures_and_masks_are_paired_by_their_names(folder: Path) -> None:
    data = build(folder)
    assert data.names == [f"images/train/{frame}" for frame in ("a", "b", "city/c")]
    assert data.class_names == ("road", "pothole")
    assert data[2]["label"].tolist() == [[0, 0, 1, 1, IGNORE, IGNORE]] * 4
    assert build(folder, "val").names == ["images/val/d"]


def test_a_linked_city(folder: Path, tmp_path: Path) -> None:
    for part in ("images", "masks"):
        (folder / part / "train/city").rename(tmp_path / part)
        (folder / part / "train/city").symlink_to(tmp_path / part)
    assert build(folder).names == [f"images/train/{frame}" for frame in ("a", "b", "city/c")]


def test_patterns_with_endings(folder: Path) -> None:
    text = POTHOLES.replace("images/{split}", "images/{split}/{frame}.jpg")
    (folder / "other.yaml").write_text(text.replace("masks/{split}", "masks/{split}/{frame}_m.png"))
    for path in list((folder / "masks").rglob("*.png")):
        path.rename(path.with_name(f"{path.stem}_m.png"))
    assert build(folder, name="other.yaml").names == [f"images/train/{frame}" for frame in ("a", "b", "city/c")]


def test_a_data_set_without_labels(folder: Path) -> None:
    (folder / "potholes.yaml").write_text(POTHOLES.replace("labels: masks/{split}\n", ""))
    assert set(build(folder)[0]) == {"image", "name"}


def test_a_split_without_labels(folder: Path) -> None:
    (folder / "potholes.yaml").write_text(POTHOLES + "unlabelled: [val]\n")
    assert "label" in build(folder)[0]
    assert "label" not in build(folder, "val")[0]


def test_a_list_file_beside_the_layout(folder: Path) -> None:
    (folder / "few.txt").write_text("images/train/a.jpg masks/train/a.png\n")
    assert build(folder, "train", "DATASET.TRAIN_SET", "few.txt").names == ["images/train/a"]
    (folder / "potholes.yaml").write_text(POTHOLES + "splits: {train: few.txt}\n")
    assert build(folder).names == ["images/train/a"]


def test_train_ids_of_the_user_s_own(folder: Path) -> None:
    data = build(folder, "train", "DATASET.NUM_CLASSES", "8", "DATASET.LABELS", "trainIds")
    assert data[0]["label"].tolist() == [[0, 0, IGNORE, IGNORE, 7, 7]] * 4
    assert data.class_names[7] == "class 7"


def test_the_root_may_be_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "away.yaml").write_text(POTHOLES + "root_variable: POTHOLES\n")
    elsewhere = tmp_path / "away.yaml"
    with pytest.raises(UserError, match=r"set POTHOLES or DATASET\.ROOT to the one that holds images and masks"):
        build(elsewhere.parent, "train", "DATASET.ROOT", "nowhere", name="away.yaml")
    assert len(build(tmp_path, "train", "DATASET.ROOT", str(folder), name="away.yaml")) == 3
    monkeypatch.setenv("MINE", str(folder))
    assert len(build(tmp_path, "train", "DATASET.ROOT", "${MINE}", name="away.yaml")) == 3
    monkeypatch.setenv("POTHOLES", str(folder))
    assert len(build(tmp_path, name="away.yaml")) == 3


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "masks/train/a.png").unlink(), r"label .*masks/train/a\.png of .* does not exist"),
        (lambda root: (root / "images/train/a.png").touch(), r"image .*a\.png appears twice"),
        (lambda root: (root / "images/val").rename(root / "away"), r"val is no list file and no split of .*images/val"),
        (lambda root: (root / "images/val/d.jpg").unlink(), r"images/val holds no image; expected files that end"),
    ],
)
def test_what_is_wrong_with_the_folder_is_named(folder: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(folder)
    with pytest.raises(UserError, match=said):
        build(folder, "val" if "val" in said else "train")


def test_a_value_that_no_class_has_is_named(folder: Path, save: Save) -> None:
    save(folder / "masks/train/a.png", np.full((4, 6), 3, np.uint8))
    with pytest.raises(UserError, match=r"holds class index 3, .* expected potholes ids of 2 classes, or 255"):
        build(folder)[0]


def test_no_encoding_is_suspected_where_there_is_only_one(folder: Path, save: Save) -> None:
    text = "name: mine\nimages: images/{split}\nlabels: masks/{split}\nclasses: [{name: a, id: 30}]\nvoid: [0, 1]\n"
    (folder / "potholes.yaml").write_text(text)
    save(folder / "masks/train/a.png", np.tile(np.array([0, 1, 255], np.uint8), (4, 2)))
    assert set(np.unique(build(folder)[0]["label"])) == {IGNORE}


def test_classes_without_reading_a_picture(tmp_path: Path) -> None:
    (tmp_path / "potholes.yaml").write_text(POTHOLES)
    cfg = load_config(None, ["DATASET.DATASET", str(tmp_path / "potholes.yaml")])
    assert class_set(data_spec(cfg)).names == ("road", "pothole")
