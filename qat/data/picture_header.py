"""The size that a picture's header says, before its pixels are unpacked: PNG, JPEG, BMP, WebP, TIFF and PNM."""

from __future__ import annotations

import re
import struct

MOST_PIXELS = 1 << 28  # 16384 x 16384: 0.8 GB as 8-bit RGB
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))  # JPEG's start of a frame
_TIFF_SIZES = {256: 0, 257: 1}  # ImageWidth, ImageLength


def declared_size(data: bytes) -> tuple[int, int] | None:
    """Returns width and height; None for a header that isn't known or is damaged.

    >>> declared_size(b"P6 640 480 255 ")
    (640, 480)
    """
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            return struct.unpack(">II", data[16:24])
        if data[:2] == b"BM":
            width, height = struct.unpack("<ii", data[18:26])
            return abs(width), abs(height)
        if data[:3] == b"\xff\xd8\xff":
            return _jpeg(data)
        if data[:4] in (b"II*\0", b"MM\0*"):
            return _tiff(data)
        if data[8:12] == b"WEBP":
            return _webp(data)
        found = re.match(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s+(\d{1,9})\s", data)
        return (int(found[1]), int(found[2])) if found else None
    except (struct.error, IndexError):
        return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(data):
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


def _tiff(data: bytes) -> tuple[int, int] | None:
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack(f"{order}I", data[4:8])
    (count,) = struct.unpack(f"{order}H", data[start : start + 2])
    found = [0, 0]
    for entry in range(count):
        at = start + 2 + 12 * entry
        tag, kind = struct.unpack(f"{order}HH", data[at : at + 4])
        if tag in _TIFF_SIZES:
            (found[_TIFF_SIZES[tag]],) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, at + 8)
    return found[0], found[1]


def _webp(data: bytes) -> tuple[int, int] | None:
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF
