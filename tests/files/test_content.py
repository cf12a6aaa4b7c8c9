from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from qat.errors import UserError
from qat.files import read_json, sha256, sha256_text, write_json


def test_json_comes_back_as_written(tmp_path: Path) -> None:
    value = {"mean_iou": 0.1 + 0.2, "names": ["Straße"], "none": None}
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value


@pytest.mark.parametrize(
    "content", [b"", b'{"a": ', b"\xff\xfe", b"[" * 10**5], ids=["empty", "cut", "not utf-8", "deep"]
)
def test_damaged_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "value.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path} is not valid JSON .*; delete it and rerun the stage that writes it"):
        read_json(path)


def test_missing_json(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"can't read {tmp_path}/none.json: No such file"):
        read_json(tmp_path / "none.json")


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("Straße".encode())
    assert sha256(tmp_path / "file") == sha256_text("Straße") == hashlib.sha256("Straße".encode()).hexdigest()


def test_hash_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"can't read {tmp_path}/none: No such file"):
        sha256(tmp_path / "none")


def test_a_file_larger_than_a_block_is_hashed_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * (3 << 12)
    (tmp_path / "file").write_bytes(data)
    assert sha256(tmp_path / "file") == hashlib.sha256(data).hexdigest()
