"""Logits in files, and two folders of them held against each other: a stage's, a runtime's, a board's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qat.errors import UserError, as_user_error
from qat.files import files_below

LAYOUTS = ("nchw", "nhwc")
DTYPES = ("float32", "int32", "int16", "int8")
SUFFIXES = (".npy", ".bin")
Array = NDArray[np.float64]


@dataclass(frozen=True)
class DumpForm:
    """How files hold logits, where that isn't float32 (C, h, w). `channels`: with those that pad, 0 for none.

    `dtype`: of .bin files, which have no header. `scale`: what integers are multiplied by, one or one a channel, as
    a board's tail has them (hbDNNQuantiScale, HorizonRDK/rdk_x3_doc, cdev_dnn_api/data_struct.md).
    """

    layout: str = "nchw"
    channels: int = 0
    dtype: str = "float32"
    scale: tuple[float, ...] = (1.0,)


PLAIN = DumpForm()


@dataclass(frozen=True)
class Comparison:
    """Of one picture, or the mean of all: cosine, mean squared and absolute difference, KL(softmax A || softmax B) a
    pixel, SQNR in dB against A (None: equal), the largest difference, the share (0 to 1) of classes that differ.
    """

    name: str
    cosine: float
    mse: float
    l1: float
    kl: float
    sqnr: float | None
    largest: float
    changed: float


def compare_folders(first: Path, second: Path, form: DumpForm = PLAIN) -> list[Comparison]:
    """Compares the files of two folders by name.

    Args:
        first: .npy files of float32 (C, h, w), the reference.
        second: files of the same names, .npy or .bin.
        form: of the second's files.

    Raises:
        UserError: for a folder without files, a file that only one has, another size than the form says, and logits
            that aren't finite.
    """
    reference, others = _files(first), _files(second)
    if alone := sorted(reference.keys() ^ others.keys()):
        raise UserError(f"{alone[0]} is in one of {first} and {second} only; both need the same pictures")
    found = []
    for name, path in reference.items():
        logits = _plain(path)
        found.append(compare(name, logits, read_dump(others[name], logits.shape, form)))
    return found


def _files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give one of infer --logits, or of a board's dumps")
    found = {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(files_below(folder))
        if path.suffix in SUFFIXES
    }
    if not found:
        raise UserError(f"{folder} holds no {' or '.join(SUFFIXES)} file; infer --logits writes them")
    return found


def _plain(path: Path) -> Array:
    values = _loaded(path)
    if values.ndim != 3:
        raise UserError(f"{path} has shape {values.shape}; expected (classes, height, width), as infer --logits writes")
    if not np.isfinite(values).all():
        raise UserError(f"{path} holds NaN or infinity; run infer --logits again")
    return values


def _loaded(path: Path) -> Array:
    with as_user_error(f"can't read {path}", "expected an .npy file of numbers"):  # damage leads numpy anywhere
        values: Array = np.load(path, allow_pickle=False).astype(np.float64)
        return values


def read_dump(path: Path, shape: tuple[int, ...], form: DumpForm) -> Array:
    """Logits (C, h, w) of `shape` from a file in another form; padding channels are cut off.

    Raises UserError where the file's size isn't that of the form.
    """
    classes, height, width = shape
    channels = form.channels or classes
    stored = (channels, height, width) if form.layout == "nchw" else (height, width, channels)
    values = np.fromfile(path, form.dtype) if path.suffix == ".bin" else _loaded(path)
    if values.size != np.prod(stored) or channels < classes:
        raise UserError(
            f"{path} holds {values.size} values, expected {stored[0]} x {stored[1]} x {stored[2]} ({form.layout}, "
            f"{form.dtype}); say --layout, --channels and --dtype as it was dumped"
        )
    values = values.reshape(stored)
    planes = (values if form.layout == "nchw" else values.transpose(2, 0, 1))[:classes]
    if planes.dtype.kind == "f" and not np.isfinite(planes).all():
        raise UserError(f"{path} holds NaN or infinity; say --dtype as it was dumped, or look at the network")
    return planes.astype(np.float64) * _scales(path, form, channels, classes)


def _scales(path: Path, form: DumpForm, channels: int, classes: int) -> Array:
    """The factor of each class, (classes or 1, 1, 1)."""
    if len(form.scale) not in (1, classes, channels):
        counts = f"--scale has {len(form.scale)} numbers and {path} {classes} classes"
        raise UserError(f"{counts}; expected one, or one a class")
    scales: Array = np.array(form.scale[:classes], dtype=np.float64)[:, None, None]
    return scales


def compare(name: str, first: Array, second: Array) -> Comparison:
    """Holds logits (C, h, w) against each other; `first` is the reference.

    >>> a = np.array([[[3.0]], [[4.0]]])
    >>> compare("a", a, a).cosine, compare("a", a, a).sqnr, compare("a", a, a[::-1]).changed
    (1.0, None, 1.0)
    """
    difference = first - second
    noise, signal = float((difference**2).sum()), float((first**2).sum())
    norms = float(np.sqrt(signal * (second**2).sum()))
    return Comparison(
        name=name,
        cosine=float((first * second).sum() / norms) if norms else 0.0,
        mse=float((difference**2).mean()),
        l1=float(np.abs(difference).mean()),
        kl=_divergence(first, second),
        sqnr=float(10 * np.log10(signal / noise)) if noise and signal else None,
        largest=float(np.abs(difference).max()),
        changed=float((first.argmax(0) != second.argmax(0)).mean()),
    )


def _divergence(first: Array, second: Array) -> float:
    chances, others = (_log_softmax(values) for values in (first, second))
    return float((np.exp(chances) * (chances - others)).sum(0).mean())


def _log_softmax(values: Array) -> Array:
    shifted = values - values.max(0)
    result: Array = shifted - np.log(np.exp(shifted).sum(0))
    return result


def mean_of(rows: list[Comparison]) -> Comparison:
    """The mean over pictures; `largest` is the largest of all, `sqnr` of those whose logits differ."""
    known = [row.sqnr for row in rows if row.sqnr is not None]

    def mean(key: str) -> float:
        return float(np.mean([getattr(row, key) for row in rows]))

    return Comparison(
        name="mean",
        cosine=mean("cosine"),
        mse=mean("mse"),
        l1=mean("l1"),
        kl=mean("kl"),
        sqnr=float(np.mean(known)) if known else None,
        largest=max(row.largest for row in rows),
        changed=mean("changed"),
    )
