"""A picture's size is known before its pixels are unpacked."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qat.data.image_io import read_image, read_label
from qat.data.picture_header import declared_size
from qat.errors import UserError


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tif", ".ppm", ".pgm"])
def test_what_every_format_says(suffix: str) -> None:
    for height, width in ((30, 47), (301, 299)):
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        _, data = cv2.imencode(suffix, pixels if suffix != ".pgm" else pixels[..., 0])
        assert declared_size(data.tobytes()) == (width, height)


def test_lossy_webp() -> None:
    _, data = cv2.imencode(".webp", np.zeros((30, 47, 3), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 50])
    assert declared_size(data.tobytes()) == (47, 30)


@given(st.binary(max_size=64), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"BM", b"\xff\xd8\xff", b"II*\0", b"P6 "]))
def test_any_bytes_give_a_size_or_none(data: bytes, start: bytes) -> None:
    size = declared_size(start + data)
    assert size is None or min(size) >= 0


def bomb(path: Path) -> Path:
    """A PNG of 100 bytes that says 32768 x 32768."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 32768, 32768, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    return path


def test_a_picture_too_large_for_memory_is_not_unpacked(tmp_path: Path) -> None:
    for read, kind in ((read_image, "image"), (read_label, "label")):
        with pytest.raises(UserError, match=f"{kind} .* says that it has 32768x32768 pixels; at most 256 million"):
            read(bomb(tmp_path / "a.png"))
