"""What is read is what was written: any damage is seen, and nothing unpacks without measure."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qat.errors import UserError
from qat.state_file import digest, load_tensors, read_state, write_state

STATE: dict[str, Any] = {
    "done": 3,
    "text": "Straße",
    "nested": {"list": [1, 2.5, None, True], "pair": (0.9, 0.99)},
    "tensors": {"scale": torch.tensor([0.1]), "empty": torch.zeros(0), "seen": torch.tensor(True)},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("state") / "state.ckpt"
    write_state(path, STATE)
    return path


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return bool(a == b) and type(a) is type(b)


def test_it_comes_back(written: Path) -> None:
    assert same(read_state(written, "again"), STATE)


def test_the_same_content_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    write_state(tmp_path / "another.ckpt", STATE)
    assert (tmp_path / "another.ckpt").read_bytes() == written.read_bytes()


@given(st.data())
def test_a_flipped_bit_is_refused_or_changes_nothing(written: Path, data: st.DataObject) -> None:
    """Of 60 flipped bits in a calibration, 58 were loaded; here those in what holds no content are."""
    content = bytearray(written.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = written.with_name("flipped.ckpt")
    path.write_bytes(content)
    try:
        read = read_state(path, "run it again")
    except UserError as error:
        said = str(error)
        read = STATE if said.startswith(f"{path} ") and "\n" not in said else None
    assert same(read, STATE)


def test_every_bit_of_a_number_counts(written: Path, tmp_path: Path) -> None:
    content, word = written.read_bytes(), STATE["tensors"]["scale"].numpy().tobytes()
    assert content.count(word) == 1
    for bit in range(32):
        flipped = bytearray(content)
        flipped[content.find(word) + bit // 8] ^= 1 << bit % 8
        (tmp_path / "state.ckpt").write_bytes(flipped)
        with pytest.raises(UserError, match="its content isn't what was written"):
            read_state(tmp_path / "state.ckpt", "again")


def test_an_older_file_without_a_digest_is_read_with_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save({"done": 1}, tmp_path / "old.ckpt")
    with caplog.at_level(logging.INFO):
        assert read_state(tmp_path / "old.ckpt", "again") == {"done": 1}
    assert "has no digest, an older version wrote it" in caplog.text


def test_what_unpacks_without_measure_is_not_unpacked(tmp_path: Path) -> None:
    """A pickle of 64 MB in 64 kB."""
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"N" * (64 << 20))
        archive.writestr("a/version", "3")
    for read in (load_tensors, lambda path: read_state(path, "again")):
        with pytest.raises(UserError, match=r"would unpack to 67 MB, which no such file"):
            read(tmp_path / "bomb.pt")


def test_a_digest_is_of_values_whatever_their_strides() -> None:
    strided = torch.as_strided(torch.tensor([0.5]), (1,), (0,))
    assert digest({"scale": strided}) == digest({"scale": torch.tensor([0.5])})
