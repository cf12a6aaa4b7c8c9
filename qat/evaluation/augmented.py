"""Flip and multi-scale testing of the float network, as HRNet's evaluation on Cityscapes does it.

Source: HRNet/HRNet-Semantic-Segmentation (from which PIDNet's evaluation comes), lib/datasets/base_dataset.py,
`inference`, lib/datasets/cityscapes.py, `multi_scale_inference`, and its README's TEST.SCALE_LIST for Cityscapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
Logits = Callable[[Tensor], Tensor]  # (1, 3, H, W) -> (1, classes, H, W) at the picture's size


@dataclass(frozen=True)
class Augmented:
    """How a picture is seen.

    `flip`: mirrored too, whose logits are averaged. `scales`: of the long side `base`, in pixels. `window`: height and
    width of the parts into which a picture that was made larger is cut.
    """

    flip: bool
    scales: tuple[float, ...]
    base: int
    window: tuple[int, int]
    align_corners: bool

    @property
    def title(self) -> str:
        """In words.

        >>> Augmented(True, (1.0,), 2048, (1024, 2048), False).title
        'flip'
        """
        scales = f"scales {', '.join(map(str, self.scales))}" if len(self.scales) > 1 else ""
        return " and ".join(part for part in ("flip" if self.flip else "", scales) if part)


@torch.no_grad()
def augmented_scores(logits: Logits, x: Tensor, how: Augmented) -> Tensor:
    """The sum over scales of exp(logits), whose largest class is the prediction.

    Args:
        logits: of the network, interpolated to the size of what it is given.
        x: a normalised picture (1, 3, H, W).
        how: flip, scales, windows.

    Returns:
        float32 (1, classes, H, W).
    """
    size, total = (x.shape[2], x.shape[3]), torch.zeros(())
    for scale in how.scales:
        seen = _windows(logits, _scaled(x, scale, how), scale, how)
        total = total.to(seen.device) + _resized(seen, size, how.align_corners)
    return total


def _scaled(x: Tensor, scale: float, how: Augmented) -> Tensor:
    """The picture whose long side is `scale` of the base; half pixels as in OpenCV."""
    long = int(how.base * scale + 0.5)
    height, width = (int(side * long / max(x.shape[2:]) + 0.5) for side in x.shape[2:])
    return _resized(x, (height, width), False)


def _resized(x: Tensor, size: tuple[int, int], align_corners: bool) -> Tensor:
    return x if (x.shape[2], x.shape[3]) == size else interpolate(x, size, mode="bilinear", align_corners=align_corners)


def _windows(logits: Logits, x: Tensor, scale: float, how: Augmented) -> Tensor:
    """exp(logits) of a picture: whole up to scale 1, else the mean over windows that cover it."""
    if scale <= 1:
        return _exp(logits, x, how.flip)
    total, count = None, torch.zeros(1, 1, *x.shape[2:], device=x.device)
    for rows, columns in _places(x.shape[2], x.shape[3], how.window):
        part = _exp(logits, x[:, :, rows, columns], how.flip)
        total = torch.zeros(1, part.shape[1], *x.shape[2:], device=x.device) if total is None else total
        total[:, :, rows, columns] += part
        count[:, :, rows, columns] += 1
    assert total is not None  # at least one window
    return total / count


def _places(height: int, width: int, window: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    for rows in _spans(height, window[0]):
        for columns in _spans(width, window[1]):
            yield rows, columns


def _spans(length: int, window: int) -> list[slice]:
    """Windows side by side, the last one moved back inside.

    >>> _spans(5, 2), _spans(2, 4)
    ([slice(0, 2, None), slice(2, 4, None), slice(3, 5, None)], [slice(0, 2, None)])
    """
    ends = [min(start + window, length) for start in range(0, length, window)]
    return [slice(max(end - window, 0), end) for end in ends]


def _exp(logits: Logits, x: Tensor, flip: bool) -> Tensor:
    found = logits(x)
    if flip:
        found = (found + logits(x.flip(-1)).flip(-1)) * 0.5
    return found.exp()
