"""Images without labels, as `make infer` takes them: one file, a folder, or a list file."""

from __future__ import annotations

from pathlib import Path

from qat.data.listing import read_list
from qat.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".webp")
LIST_SUFFIXES = (".txt", ".lst", ".csv")


def find_images(path: str | Path) -> list[Path]:
    """The image `path`; or the images in the folder `path` and below, sorted; or those that the list file `path` names.

    Paths in a list file are relative to its folder; a second column (labels) is not used. Raises UserError where there
    is nothing of the kind.
    """
    path = Path(path)
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file():
        raise UserError(f"input {path} does not exist; expected an image, a folder of images or a list file")
    if path.suffix.lower() in LIST_SUFFIXES:
        return [entry.image for entry in read_list(path, [path.parent])]
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return [path]
    known = " ".join(IMAGE_SUFFIXES + LIST_SUFFIXES)
    raise UserError(f"input {path} is no image and no list file by its suffix; expected one of: {known}")


def _in_folder(folder: Path) -> list[Path]:
    images = [path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()]
    if not images:
        raise UserError(f"folder {folder} holds no image; expected files that end in {' '.join(IMAGE_SUFFIXES)}")
    return sorted(images, key=Path.as_posix)
