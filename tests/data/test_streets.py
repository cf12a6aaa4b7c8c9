from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from qat.data import read_descriptor
from qat.data.streets import CLASSES, ids, instance_map, objects, paint, render, write
from qat.errors import UserError

SMALL = (128, 64)
EVALUATED = [value for one in read_descriptor("streets").classes for value in one.ids]


@pytest.fixture(scope="module")
def val_labels() -> list[np.ndarray]:
    """The labels of the 32 val pictures of the default set."""
    return [render([0, 1, index])[1] for index in range(32)]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("size", [(512, 256), (256, 128), (320, 240), (200, 300)])
def test_render_gives_rgb_and_label_ids_of_the_asked_size(size: tuple[int, int]) -> None:
    image, label = render(3, size)
    assert image.shape == (size[1], size[0], 3)
    assert label.shape == (size[1], size[0])
    assert image.dtype == label.dtype == np.uint8
    assert set(np.unique(label)) <= {*EVALUATED, ids.EGO, ids.STATIC}


def test_same_seed_same_picture_and_an_int_is_its_own_sequence() -> None:
    first, again, other = render(5), render([5]), render(6)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[1], other[1])


def test_pinned_label_map() -> None:
    label = render([0, 1, 0])[1]
    assert (
        hashlib.sha256(label.tobytes()).hexdigest()
        == "369142ba0f29932963ef59fb9087fd821acba46449f52ac552831d11ecc23a95"
    )


@pytest.mark.parametrize("label_id", EVALUATED)
def test_every_class_is_frequent_and_big_enough_in_val(val_labels: list[np.ndarray], label_id: int) -> None:
    shares = np.array([(label == label_id).mean() for label in val_labels])
    assert (shares > 60 / (512 * 256)).mean() >= 0.4
    assert shares.mean() > 0.003


def test_the_picture_is_painted_by_the_same_outlines_as_the_label() -> None:
    image, label = (part.astype(np.int64) for part in render(8))
    green = image[..., 1] - (image[..., 0] + image[..., 2]) / 2
    assert green[label == ids.VEGETATION].mean() > green[label == ids.BUILDING].mean() + 10
    assert image[label == ids.SKY].mean() > image[label == ids.ROAD].mean() + 30


def test_size_scales_the_same_scene() -> None:
    small, large = (np.bincount(render(4, size)[1].ravel(), minlength=34) for size in ((256, 128), (512, 256)))
    assert np.abs(small / small.sum() - large / large.sum()).max() < 0.02


def test_write_lays_out_a_cityscapes_folder(tmp_path: Path) -> None:
    root = write(tmp_path / "set", train=3, val=2, size=SMALL)
    images = sorted(root.glob("leftImg8bit/*/*/*_leftImg8bit.png"))
    assert [path.parts[-3] for path in images] == ["train"] * 3 + ["val"] * 2
    for path in images:
        name = path.name.replace("_leftImg8bit", "_gtFine_labelIds")
        label = cv2.imread(str(root / "gtFine" / Path(*path.parts[-3:-1]) / name), cv2.IMREAD_UNCHANGED)
        assert label.shape == cv2.imread(str(path)).shape[:2] == (SMALL[1], SMALL[0])
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_written_pixels_are_the_rendered_ones(tmp_path: Path) -> None:
    root = write(tmp_path / "set", train=1, val=1, size=SMALL, seed=9)
    image, label = render([9, 1, 0], SMALL)
    assert np.array_equal(cv2.imread(str(next(root.glob("leftImg8bit/val/*/*"))))[..., ::-1], image)
    assert np.array_equal(cv2.imread(str(next(root.glob("gtFine/val/*/*"))), cv2.IMREAD_UNCHANGED), label)


def test_no_picture_is_in_both_splits(tmp_path: Path) -> None:
    root = write(tmp_path / "set", train=8, val=8, size=SMALL)
    assert len({path.read_bytes() for path in root.rglob("*_leftImg8bit.png")}) == 16


def test_a_longer_set_starts_with_the_shorter_one(tmp_path: Path) -> None:
    short, long = (write(tmp_path / str(train), train=train, val=1, size=SMALL) for train in (2, 4))
    same = contents(short).items() & contents(long).items()
    assert len(same) == 6  # 3 images, 3 labels; the record differs


def test_a_second_write_touches_nothing(tmp_path: Path) -> None:
    root = write(tmp_path / "set", train=2, val=1, size=SMALL)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    inode = root.stat().st_ino
    write(root, train=2, val=1, size=SMALL)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert root.stat().st_ino == inode


def test_a_missing_picture_is_written_again(tmp_path: Path) -> None:
    root = write(tmp_path / "set", train=2, val=1, size=SMALL)
    whole = contents(root)
    next(root.rglob("*_labelIds.png")).unlink()
    assert contents(write(root, train=2, val=1, size=SMALL)) == whole


@pytest.mark.parametrize("changed", [{"train": 3}, {"val": 2}, {"size": (64, 32)}, {"seed": 1}])
def test_other_parameters_replace_the_set(tmp_path: Path, changed: dict) -> None:
    asked = {"train": 2, "val": 1, "size": SMALL, "seed": 0, **changed}
    root = write(tmp_path / "set", train=2, val=1, size=SMALL)
    assert contents(write(root, **asked)) == contents(write(tmp_path / "fresh", **asked))


def test_an_older_generator_s_set_is_replaced(tmp_path: Path) -> None:
    root = write(tmp_path / "set", train=1, val=1, size=SMALL)
    whole = contents(root)
    record = json.loads((root / "streets.json").read_text())
    (root / "streets.json").write_text(json.dumps({**record, "version": 0}))
    next(root.rglob("*_leftImg8bit.png")).write_bytes(b"old")
    assert contents(write(root, train=1, val=1, size=SMALL)) == whole


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert len(contents(write(tmp_path / "set", train=1, val=1, size=SMALL))) == 5


def test_writers_at_once_leave_one_whole_set(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        roots = list(pool.map(lambda _: write(tmp_path / "set", train=2, val=2, size=SMALL), range(4)))
    assert set(roots) == {tmp_path / "set"}
    assert contents(roots[0]) == contents(write(tmp_path / "alone", train=2, val=2, size=SMALL))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "set"]


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space left"):
        write(tmp_path / "set", train=1, val=1, size=SMALL)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="not empty"):
        write(tmp_path, train=1, val=1, size=SMALL)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("wrong", [{"train": -1}, {"train": 0, "val": 0}, {"seed": -1}, {"size": (8, 8)}])
def test_numbers_that_make_no_sense_are_one_clear_error(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(UserError, match="expected"):
        write(tmp_path / "set", **wrong)


def test_numbered_things_move_no_byte_of_a_picture() -> None:
    """The digests of pictures and labels before things had numbers."""
    digest = hashlib.sha256()
    for split in (0, 1):
        for index in range(4):
            for part in render([0, split, index]):
                digest.update(part.tobytes())
    assert digest.hexdigest() == "c6d7edd4a72f031af51ec9cdc7b5f8ef386b7c6e3c324f8a9c1310b048f7a204"


def test_every_object_is_one_thing_of_one_class() -> None:
    scene = paint([0, 1, 0])
    found = objects(scene)
    assert len(found) > 5
    for one in found:
        left, top, right, bottom = one.box
        label = list(CLASSES.values())[one.kind]
        mask = (scene.thing == one.number) & (scene.label == label)
        assert mask.sum() == one.pixels == mask[top:bottom, left:right].sum()
        assert mask[top].any()
        assert mask[bottom - 1].any()
        assert mask[:, left].any()
        assert mask[:, right - 1].any()


def test_a_rider_and_the_bicycle_below_are_two_objects_of_one_number() -> None:
    scenes = (paint([0, 1, index]) for index in range(4))
    pairs = [{(one.number, one.kind) for one in objects(scene)} for scene in scenes]
    rider = list(CLASSES).index("rider")
    ridden = [(number, kind) for pair in pairs for number, kind in pair if (number, rider) in pair and kind != rider]
    assert ridden
    assert {list(CLASSES)[kind] for _, kind in ridden} <= {"bicycle", "motorcycle"}


def test_instance_ids_are_cityscapes_own() -> None:
    scene = paint([0, 1, 0])
    instances = instance_map(scene)
    assert np.array_equal(np.where(instances >= 1000, instances // 1000, instances), scene.label)
    assert set(np.unique(scene.label[instances >= 1000])) <= set(CLASSES.values())
    cars = {one.number for one in objects(scene) if one.kind == list(CLASSES).index("car")}
    assert cars <= {value - 26000 for value in np.unique(instances[scene.label == ids.CAR]).tolist()}
