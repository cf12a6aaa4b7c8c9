"""Class ids as a PNG with a palette: its pixels are the ids, and viewers show the classes' colours.

Chunks as https://www.w3.org/TR/png-3/ names them.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from qat.report.overlay import Picture

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED = 3  # type of colour


def class_png(classes: NDArray[np.uint8], palette: Picture) -> bytes:
    """The bytes of the file.

    Args:
        classes: (H, W) ids, 0 to 255.
        palette: (classes, 3) RGB; an id beyond it is black.

    Example:
        >>> class_png(np.zeros((2, 3), np.uint8), np.zeros((1, 3), np.uint8))[12:24]
        b'IHDR\\x00\\x00\\x00\\x03\\x00\\x00\\x00\\x02'
    """
    height, width = classes.shape
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette[:256]
    rows = np.zeros((height, width + 1), np.uint8)  # a row begins with its filter: 0, none
    rows[:, 1:] = classes
    header = struct.pack(">IIBBBBB", width, height, 8, _INDEXED, 0, 0, 0)
    parts = ((b"IHDR", header), (b"PLTE", table.tobytes()), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
