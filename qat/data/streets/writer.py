"""Street pictures as a folder in Cityscapes' layout, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from qat.data.box_file import write_boxes as write_box_file
from qat.data.streets.canvas import Pixels
from qat.data.streets.coco import CocoPicture, coco_content
from qat.data.streets.objects import CLASSES, StreetObject, objects
from qat.data.streets.people import people
from qat.data.streets.scene import Scene, paint, render
from qat.errors import UserError
from qat.files import alone, replaced_folder

VERSION = 1  # of the generator: raise it when a seed gives another picture
RECORD = "streets.json"
_CITIES = {"train": "polygonstadt", "val": "kantenheim"}


def write(root: str | Path, train: int = 64, val: int = 32, size: tuple[int, int] = (512, 256), seed: int = 0) -> Path:
    """Write a set under `root` and return its path; a complete set of the same parameters is left as it is.

    A set of other parameters or with files missing is replaced. Picture i of a split is
    `render([seed, 0 for train or 1 for val, i], size)`, so no picture is in both splits, and a longer set starts
    with the pictures of a shorter one. Safe to call from several processes at once.

    Raises UserError if the numbers make no sense, `root` holds something else, or it can't be written.
    """
    root = Path(root)
    wanted = _parameters(train, val, size, seed)
    if is_complete(root, wanted):  # a folder that can't be written to will do
        return root
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with alone(root):
            if not is_complete(root, wanted):
                _check_replaceable(root)
                with replaced_folder(root) as aside:
                    _write_all(aside, wanted)
    except OSError as error:
        raise UserError(
            f"can't write street pictures to {root}: {error.strerror or error}; choose another folder"
        ) from error
    return root


def write_boxes(root: Path) -> None:
    """Write the boxes of the objects in the pictures of `root`, a complete set, beside them: `boxes/`, YOLO's format.

    Boxes that are there already are left as they are. Raises UserError if they can't be written.
    """
    record, folder = _read_record(root), root / "boxes"
    if all(path.is_file() for _, _, path in _box_plan(folder, record)):
        return
    try:
        with alone(folder), replaced_folder(folder) as aside:
            for split, index, path in _box_plan(aside, record):
                path.parent.mkdir(parents=True, exist_ok=True)
                size = tuple(record["size"])
                found = objects(paint(_key(record, split, index), size))
                write_box_file(path, (_shares(one, size) for one in found))
    except OSError as error:
        raise UserError(
            f"can't write the boxes of street pictures to {folder}: {error.strerror or error}; choose another folder"
        ) from error


CROPS = "crops.json"  # says that all are there
LEAST_CROP = 12  # pixels of a crop's sides
RIM = 0.1  # of an object's sides that a crop shows around it


def write_crops(root: Path) -> None:
    """Write a picture of each object in the pictures of `root`, a complete set, by class: `crops/`.

    Crops that are there already are left as they are. Raises UserError if they can't be written.
    """
    record, folder = _read_record(root), root / "crops"
    if (folder / CROPS).is_file():
        return
    try:
        with alone(folder), replaced_folder(folder) as aside:
            for split, index, _ in _box_plan(aside, record):
                _write_crops(aside / split, index, paint(_key(record, split, index), tuple(record["size"])))
            (aside / CROPS).write_text(json.dumps(record) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"can't write the crops of street pictures to {folder}: {error.strerror or error}; choose another folder"
        ) from error


def _write_crops(folder: Path, index: int, scene: Scene) -> None:
    for one in objects(scene):
        left, top, right, bottom = one.box
        if min(right - left, bottom - top) < LEAST_CROP:
            continue
        across, down = round(RIM * (right - left)), round(RIM * (bottom - top))
        rows, columns = slice(max(0, top - down), bottom + down), slice(max(0, left - across), right + across)
        path = folder / tuple(CLASSES)[one.kind] / f"{index:06d}_{one.number:03d}.png"
        _write_png(path, np.ascontiguousarray(scene.image[rows, columns, ::-1]))


def write_points(root: Path) -> None:
    """Write the points of the persons in the pictures of `root`, a complete set: `keypoints/`, a COCO file a split.

    Points that are there already are left as they are. Raises UserError if they can't be written.
    """
    record, folder = _read_record(root), root / "keypoints"
    if all((folder / f"{split}.json").is_file() for split in _CITIES):
        return
    try:
        with alone(folder), replaced_folder(folder) as aside:
            for split in _CITIES:
                (aside / f"{split}.json").write_text(json.dumps(_points(record, split)) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"can't write the points of street persons to {folder}: {error.strerror or error}; choose another folder"
        ) from error


def _points(record: dict[str, Any], split: str) -> dict[str, Any]:
    """COCO's key-point format."""
    size, city = tuple(record["size"]), _CITIES[split]
    pictures = [
        CocoPicture(
            f"{city}/{city}_000000_{index:06d}_leftImg8bit.png", people(paint(_key(record, split, index), size))
        )
        for index in range(record[split])
    ]
    return coco_content(pictures, size)


def _box_plan(folder: Path, record: dict[str, Any]) -> Iterator[tuple[str, int, Path]]:
    """(split, index, file of boxes) of every picture."""
    for split, city in _CITIES.items():
        for index in range(record[split]):
            yield split, index, folder / split / city / f"{city}_000000_{index:06d}.txt"


def _shares(one: StreetObject, size: tuple[int, int]) -> tuple[int, float, float, float, float]:
    (width, height), (left, top, right, bottom) = size, one.box
    return one.kind, left / width, top / height, right / width, bottom / height


def _key(record: dict[str, Any], split: str, index: int) -> list[int]:
    """What a picture is painted from."""
    return [record["seed"], list(_CITIES).index(split), index]


def is_complete(root: Path, wanted: dict[str, Any]) -> bool:
    """Whether `root` holds every file of a set made with these parameters."""
    if _read_record(root) != wanted:
        return False
    return all(path.is_file() for _, _, paths in _plan(root, wanted) for path in paths)


def _parameters(train: int, val: int, size: tuple[int, int], seed: int) -> dict[str, Any]:
    if min(train, val, seed) < 0 or train + val == 0:
        raise UserError(
            f"streets: train={train}, val={val}, seed={seed}: expected numbers from 0 and one picture at least"
        )
    if min(size) < 32:
        raise UserError(f"streets: size={tuple(size)}: expected (width, height) of at least 32 pixels")
    return {"version": VERSION, "train": train, "val": val, "size": list(size), "seed": seed}


def _read_record(root: Path) -> Any:
    try:
        return json.loads((root / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _plan(root: Path, wanted: dict[str, Any]) -> Iterator[tuple[str, int, tuple[Path, Path]]]:
    """(split, index, (image path, label path)) of every picture."""
    for split, city in _CITIES.items():
        for index in range(wanted[split]):
            stem = f"{city}_000000_{index:06d}"
            image = root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
            yield split, index, (image, root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png")


def _check_replaceable(root: Path) -> None:
    if root.exists() and not (root / RECORD).is_file() and any(root.iterdir()):
        raise UserError(
            f"{root} is not empty and has no {RECORD}: expected a folder of street pictures; choose another"
        )


def _write_all(root: Path, wanted: dict[str, Any]) -> None:
    for split, index, (image_path, label_path) in _plan(root, wanted):
        image, label = render(_key(wanted, split, index), (wanted["size"][0], wanted["size"][1]))
        _write_png(image_path, np.ascontiguousarray(image[..., ::-1]))
        _write_png(label_path, label)
    (root / RECORD).write_text(json.dumps(wanted) + "\n", encoding="utf-8")


def _write_png(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".png", pixels)
    path.write_bytes(data.tobytes())
