"""A few pictures of bright dots on dark noise, with their masks, and a descriptor."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

DESCRIPTOR = "{name: dots, images: 'images/{split}', labels: 'masks/{split}', classes: [ground, dot]}\n"


def write_pictures(folder: Path, train: int = 3, val: int = 2) -> None:
    """Writes images/ and masks/ of splits train and val."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for index in range(count):
            mask = np.zeros((64, 128), np.uint8)
            cv2.circle(mask, (int(rng.integers(20, 100)), 32), 14, 1, -1)
            picture = rng.integers(0, 60, (64, 128, 3), dtype=np.uint8) + 150 * mask[..., None]
            for kind, content in (("images", picture), ("masks", mask)):
                path = folder / kind / split / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), content)
