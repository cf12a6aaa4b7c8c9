"""Digests of what runs wrote: tensors and integers by name, figures of the stages.

Run `python tests/digests.py FOLDER > before.json` before a change, and
`python tests/digests.py FOLDER --against before.json` after it, on what the same commands wrote.
A digest is of values, not of files: a file may be written in another way as long as its numbers stay.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

FIGURES = {
    "metrics.json": ("mean_iou", "pixel_acc", "pixels_changed", "logit_sqnr"),
    "parity.json": ("agreement_reference", "agreement_int_infer", "pixels_changed", "mean_iou", "repeatability"),
}
RENAMED: dict[str, str] = {}  # a buffer's name now -> its name in the records before


def digest(array: np.ndarray) -> str:
    """Shape, type and bytes of an array, as 16 hex digits."""
    text = f"{array.dtype} {array.shape} ".encode()
    return hashlib.sha256(text + np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def of_state(path: Path) -> Iterator[tuple[str, str]]:
    """Each tensor of a calibration state."""
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    for name, value in state.items():
        yield RENAMED.get(name, name), digest(value.detach().numpy())


def of_onnx(path: Path) -> Iterator[tuple[str, str]]:
    """Each constant of a file."""
    for constant in onnx.load(path).graph.initializer:
        yield constant.name, digest(numpy_helper.to_array(constant))


def of_json(path: Path) -> Iterator[tuple[str, str]]:
    """Figures of metrics.json and parity.json, the calibration's scales."""

    def walk(value: Any, key: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for name, part in value.items():
                yield from walk(part, f"{key}/{name}")
        elif (
            path.name == "qparams.json" or key.startswith("/class_iou/") or key.rpartition("/")[2] in FIGURES[path.name]
        ):
            yield key, json.dumps(value)

    yield from walk(json.loads(path.read_text(encoding="utf-8")), "")


READERS = {".ckpt": of_state, ".onnx": of_onnx, ".json": of_json}


def of_folder(folder: Path) -> dict[str, dict[str, str]]:
    """Every digest of a folder of runs, by file."""
    names = (*FIGURES, "qparams.json")
    found = [p for p in folder.rglob("*") if p.suffix in (".ckpt", ".onnx") or p.name in names]
    kept = [path for path in sorted(found) if path.name not in ("adaround.ckpt", "reconstruct.ckpt")]
    return {str(path.relative_to(folder)): dict(READERS[path.suffix](path)) for path in kept}


def differences(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> list[str]:
    """A line for each value that isn't what it was; new files and names aren't differences."""
    return [
        f"{file} {name}: {value} -> {after.get(file, {}).get(name, 'missing')}"
        for file, values in before.items()
        for name, value in values.items()
        if after.get(file, {}).get(name) != value
    ]


def main() -> int:
    """Print the digests, or what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an OUTPUT_DIR")
    parser.add_argument("--against", type=Path, help="digests from before")
    args = parser.parse_args()
    found = of_folder(args.folder)
    if args.against is None:
        json.dump(found, sys.stdout, indent=1)
        return 0
    before = json.loads(args.against.read_text(encoding="utf-8"))
    lines = differences(before, found)
    values = sum(map(len, before.values()))
    print("\n".join([*lines[:40], f"{values - len(lines)} of {values} values in {len(before)} files as before"]))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
