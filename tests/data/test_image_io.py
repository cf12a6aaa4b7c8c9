from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from qat.data.image_io import is_turned, read_image, read_label
from qat.errors import UserError

Save = Callable[[Path, np.ndarray], Path]
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (8, 12, 3), np.uint8)
GREY = COLOUR[:, :, 0]


def test_an_image_is_rgb(tmp_path: Path, save: Save) -> None:
    read = read_image(save(tmp_path / "a.png", COLOUR))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, COLOUR[:, :, ::-1])


def test_grey_and_alpha_images_become_rgb(tmp_path: Path, save: Save) -> None:
    np.testing.assert_array_equal(read_image(save(tmp_path / "grey.png", GREY)), GREY[:, :, None].repeat(3, 2))
    with_alpha = np.dstack([COLOUR, GREY])
    np.testing.assert_array_equal(read_image(save(tmp_path / "alpha.png", with_alpha)), COLOUR[:, :, ::-1])


def test_a_label_keeps_its_values(tmp_path: Path, save: Save) -> None:
    np.testing.assert_array_equal(read_label(save(tmp_path / "a.png", GREY)), GREY)


def test_a_path_may_hold_any_letters(tmp_path: Path, save: Save) -> None:
    folder = tmp_path / "Köln Süd, 1"
    assert read_image(save(folder / "bild 1.png", COLOUR)).shape == COLOUR.shape


@pytest.mark.parametrize("read", [read_image, read_label])
@pytest.mark.parametrize("content", [None, b"", b"not a picture", "cut"], ids=["missing", "empty", "text", "cut"])
def test_an_unreadable_file_is_named(
    tmp_path: Path, save: Save, read: Callable[[Path], np.ndarray], content: bytes | str | None
) -> None:
    path = tmp_path / "bad.png"
    if content == "cut":
        whole = save(path, COLOUR).read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.png") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [read_image, read_label])
def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path, read: Callable[[Path], np.ndarray]) -> None:
    with pytest.raises(UserError, match=tmp_path.name):
        read(tmp_path)


def test_sixteen_bits_are_refused(tmp_path: Path, save: Save) -> None:
    wide = save(tmp_path / "wide.png", GREY.astype(np.uint16) * 256)
    with pytest.raises(UserError, match=r"wide\.png has 16 bits"):
        read_label(wide)
    with pytest.raises(UserError, match=r"wide\.png has 16 bits"):
        read_image(wide)


def test_a_coloured_label_is_refused(tmp_path: Path, save: Save) -> None:
    with pytest.raises(UserError, match=r"colour\.png has 3 channels"):
        read_label(save(tmp_path / "colour.png", COLOUR))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(path: Path, values: np.ndarray, bits: int, colour: int) -> Path:
    """A PNG of few bits, or with a palette (colour 3), as other programs write it."""
    bytewise = np.unpackbits(values[..., None], axis=2)[..., 8 - bits :].reshape(len(values), -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bytewise)
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(range(3 * 2**bits % 768))) + chunk(b"tRNS", b"\0") if colour == 3 else b""
    parts = chunk(b"IHDR", header) + palette + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


@pytest.mark.parametrize("colour", [0, 3], ids=["grey", "palette"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_labels_of_few_bits_and_with_a_palette_have_the_file_s_own_values(
    tmp_path: Path, bits: int, colour: int
) -> None:
    values = RNG.integers(0, 2**bits, (6, 16), np.uint8)
    np.testing.assert_array_equal(read_label(png(tmp_path / "a.png", values, bits, colour)), values)


def test_a_damaged_palette_picture_is_named(tmp_path: Path) -> None:
    whole = png(tmp_path / "a.png", RNG.integers(0, 16, (6, 16), np.uint8), 4, 3).read_bytes()
    for cut in range(0, len(whole), 7):
        (tmp_path / "cut.png").write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"cut\.png"):
            read_label(tmp_path / "cut.png")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_known(tmp_path: Path, save: Save, orientation: int) -> None:
    data = save(tmp_path / "a.jpg", COLOUR).read_bytes()
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, orientation, 0)
    (tmp_path / "b.jpg").write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    assert is_turned(tmp_path / "b.jpg") == (orientation != 1)
    assert not is_turned(tmp_path / "a.jpg")


def test_other_channels_come_as_npy_tiff_and_png(tmp_path: Path, save: Save) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 5), dtype=np.uint8)
    np.save(tmp_path / "five.npy", pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "five.npy", 5), pixels)
    cv2.imwritemulti(str(tmp_path / "five.tif"), [np.ascontiguousarray(pixels[..., c]) for c in range(5)])
    np.testing.assert_array_equal(read_image(tmp_path / "five.tif", 5), pixels)
    np.save(tmp_path / "grey.npy", pixels[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "grey.npy", 1), pixels[..., :1])
    save(tmp_path / "rgba.png", pixels[..., :4])
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png", 4), pixels[..., [2, 1, 0, 3]])
    np.testing.assert_array_equal(read_image(save(tmp_path / "grey.png", GREY), 1), GREY[:, :, None])


def test_other_channels_than_wanted_are_one_line(tmp_path: Path, save: Save) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 6, 5), np.uint8))
    with pytest.raises(UserError, match=r"a\.npy holds uint8 4x6x5; expected uint8, height x width x 4"):
        read_image(tmp_path / "a.npy", 4)
    np.save(tmp_path / "f.npy", np.zeros((4, 6, 3), np.float32))
    with pytest.raises(UserError, match=r"f\.npy holds float32 4x6x3"):
        read_image(tmp_path / "f.npy")
    (tmp_path / "o.npy").write_bytes(b"no array")
    with pytest.raises(UserError, match=r"can't read image .*o\.npy"):
        read_image(tmp_path / "o.npy")
    save(tmp_path / "c.png", COLOUR)
    with pytest.raises(UserError, match=r"c\.png holds uint8 .*x3; expected uint8, height x width x 6"):
        read_image(tmp_path / "c.png", 6)
