"""Pictures: of the bundle, or of a mounted folder, and how they enter the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .mistake import Mistake
from .plan import Plan

CENTRE = 128.0  # of the camera's int8 values


def table(mean: Any, std: Any) -> Any:
    """(256, 3) float32: each level of each channel, normalised; computed in float64 and rounded once."""
    levels = np.arange(256, dtype=np.float64)[:, None] / 255
    return ((levels - np.asarray(mean)) / np.asarray(std)).astype(np.float32)


def to_input(plan: Plan, pictures: Any) -> Tensor:
    """uint8 (N, H, W, 3) RGB -> what the network takes, float32 (N, 3, height, width)."""
    spec, height, width = plan["input"], pictures.shape[1], pictures.shape[2]
    values = table(spec["mean"], spec["std"])
    planes = [torch.from_numpy(values[pictures[..., channel], channel]) for channel in range(pictures.shape[3])]
    x = functional.pad(torch.stack(planes, 1), (0, spec["width"] - width, 0, spec["height"] - height))
    return centred(plan, x) if spec["source"] == "pyramid" else x


def centred(plan: Plan, x: Tensor) -> Tensor:
    """Normalised pictures as (RGB - 128) / 128, whose every level is one of the pyramid's."""
    mean, std = (torch.tensor(plan["input"][name]).view(1, -1, 1, 1) for name in ("mean", "std"))
    return x * (std * (255 / CENTRE)) + (mean * (255 / CENTRE) - 1)


def board_example(plan: Plan, x: Tensor) -> Tensor:
    """A picture as the board feeds it, to trace and compile with: `x`, or whole numbers from -128 to 127."""
    if plan["input"]["source"] != "pyramid":
        return x
    return torch.randint(-128, 128, tuple(x.shape), generator=torch.Generator().manual_seed(0)).float()


def calibration(plan: Plan, data: Path | None) -> Iterator[Tensor]:
    """Yields the batches of the calibration."""
    files, step = plan["calibration"]["pictures"], plan["calibration"]["batch"]
    for start in range(0, len(files), step):
        yield to_input(plan, np.stack([picture_of(plan, entry, data) for entry in files[start : start + step]]))


def picture_of(plan: Plan, entry: dict[str, str], data: Path | None) -> Any:
    """A listed picture, uint8 (H, W, 3), at the size that is padded: the bundle's `file`, or `path` below `data`."""
    channels = len(plan["input"]["mean"])
    if "file" in entry:
        return read(plan.folder / entry["file"], channels)
    if data is None:
        raise Mistake(f"{entry['path']} isn't in the bundle; mount the data set and give its folder: --data FOLDER")
    return _sized(plan, read(data / entry["path"], channels), entry["path"])


def _sized(plan: Plan, picture: Any, name: str) -> Any:
    height, width = plan["input"]["picture"]
    if picture.shape[:2] == (height, width):
        return picture
    if plan["input"]["fit"] != "resize":
        raise Mistake(f"{name} is {picture.shape[1]}x{picture.shape[0]}; this bundle's pictures are {width}x{height}")
    try:
        import cv2
    except ImportError as error:
        raise Mistake(
            "pictures are scaled by cv2, which doesn't import; write the bundle with --pictures copy"
        ) from error
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)


def read(path: Path, channels: int = 3) -> Any:
    """A picture, uint8 (H, W, channels), of three RGB: the .npy of its name where there is one, else by cv2 or PIL."""
    beside = path.with_suffix(".npy")
    if not path.is_file() and not beside.is_file():
        raise Mistake(f"no picture {path}; give the data set's own folder: --data FOLDER")
    picture = _array(beside) if beside.is_file() else _decoded(path)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != channels:
        expected = f"uint8 (height, width, {channels})"
        raise Mistake(f"{path} holds {picture.dtype} {picture.shape}; expected {expected}, if need be as .npy")
    return picture


def _array(path: Path) -> Any:
    try:
        return np.load(str(path), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Mistake(f"{path} is damaged ({error}); copy the whole bundle again") from error


def _decoded(path: Path) -> Any:
    try:
        import cv2
    except ImportError:
        return _by_pillow(path)
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise Mistake(f"cv2 can't read {path}; expected a picture")
    return np.ascontiguousarray(picture[..., ::-1])


def _by_pillow(path: Path) -> Any:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise Mistake(
            f"neither cv2 nor PIL imports, so {path.name} can't be read; save it as {path.stem}.npy beside"
        ) from error
    try:
        with Image.open(str(path)) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except OSError as error:
        raise Mistake(f"PIL can't read {path}: {error}") from error
