"""What a picture's header says: its size, before pixels are unpacked, and a PNG's depth, palette and indices.

PNG's chunks: https://www.w3.org/TR/png-3/#11IHDR
"""

from __future__ import annotations

import re
import struct
import zlib

MOST_PIXELS = 1 << 28  # 16384 x 16384: 0.8 GB as 8-bit RGB
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))  # JPEG's start of a frame
_PNG = b"\x89PNG\r\n\x1a\n"
_IHDR = slice(8, 33)  # its chunk: length, name, 13 bytes, checksum
_GREY, _PALETTE = 0, 3  # types of colour
_KEPT = (b"IDAT", b"IEND")
_TIFF_SIZES = {256: 0, 257: 1}  # ImageWidth, ImageLength


def declared_size(data: bytes) -> tuple[int, int] | None:
    """Returns width and height; None for a header that isn't known or is damaged.

    >>> declared_size(b"P6 640 480 255 ")
    (640, 480)
    """
    try:
        if data[:8] == _PNG:
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


def png_depth(data: bytes) -> int:
    """Returns the bits a pixel of a PNG that is grey or has a palette; 8 for all else.

    >>> png_depth(b"no picture")
    8
    """
    grey = data[:8] == _PNG and len(data) > 25 and data[25] in (_GREY, _PALETTE)
    return data[24] if grey and data[24] in (1, 2, 4) else 8


def has_palette(data: bytes) -> bool:
    """Whether the data are a PNG whose pixels are indices of a palette."""
    header = data[_IHDR]
    whole = data[:8] == _PNG and len(header) == 25 and zlib.crc32(header[4:21]) == int.from_bytes(header[21:], "big")
    return whole and header[17] == _PALETTE


def indices_as_grey(data: bytes) -> bytes:
    """Returns a PNG with a palette as one whose grey levels are the indices; `has_palette` said that it is one."""
    header = bytearray(data[_IHDR])
    header[17] = _GREY
    header[21:] = zlib.crc32(header[4:21]).to_bytes(4, "big")
    parts, at = [_PNG, bytes(header)], _IHDR.stop
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] in _KEPT:
            parts.append(data[at:end])
        at = end
    return b"".join(parts)
