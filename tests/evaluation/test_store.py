from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from qat.errors import UserError
from qat.evaluation import LogitStore
from qat.files import read_json, write_json

NAMES = ["frankfurt/000000_000294", "frankfurt/000000_000576", "a b%2F"]


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folder(tmp_path: Path, logits: torch.Tensor) -> Path:
    store = LogitStore(tmp_path, "key")
    store.write(NAMES[:2], logits[:2])
    store.write(NAMES[2:], logits[2:].to(memory_format=torch.channels_last))
    store.finish()
    return tmp_path


def test_reads_what_was_written_in_any_order(folder: Path, logits: torch.Tensor) -> None:
    store = LogitStore(folder, "key")
    assert torch.equal(store.read([NAMES[2], NAMES[0]]), logits[[2, 0]])
    assert store.holds(NAMES)
    assert not store.holds([*NAMES, "another"])


def test_another_key_is_refused(folder: Path) -> None:
    assert not LogitStore(folder, "other").holds(NAMES)
    with pytest.raises(UserError, match=r"come from other weights, config or images; .*make eval STAGE=float"):
        LogitStore(folder, "other").read(NAMES)


def test_an_image_that_was_not_recorded_is_named(folder: Path) -> None:
    with pytest.raises(UserError, match=r"no float logits of munster/1 in .*make eval STAGE=float"):
        LogitStore(folder, "key").read(["munster/1"])


def test_a_recording_cut_short_does_not_count(tmp_path: Path, logits: torch.Tensor) -> None:
    LogitStore(tmp_path, "key").write(NAMES, logits)
    assert not LogitStore(tmp_path, "key").holds(NAMES)
    with pytest.raises(UserError, match="no finished recording"):
        LogitStore(tmp_path, "key").read(NAMES)


def test_recording_again_withdraws_the_old_index_first(folder: Path, logits: torch.Tensor) -> None:
    LogitStore(folder, "new").write(NAMES[:1], logits[:1])
    assert not LogitStore(folder, "key").holds(NAMES)


def test_other_pictures_under_the_same_names_are_refused(tmp_path: Path, logits: torch.Tensor) -> None:
    files = {name: f"digest of {name}" for name in NAMES}
    store = LogitStore(tmp_path, "key", files)
    store.write(NAMES, logits)
    store.finish()
    assert LogitStore(tmp_path, "key", files).holds(NAMES)
    changed = LogitStore(tmp_path, "key", files | {NAMES[1]: "another"})
    assert not changed.holds(NAMES)
    assert changed.holds([NAMES[0], NAMES[2]])
    with pytest.raises(UserError, match=f"come from other pictures under the same names, first {NAMES[1]}; "):
        changed.read(NAMES)


def test_an_older_recording_without_digests_is_read_with_a_line(
    folder: Path, logits: torch.Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    index = read_json(folder / "index.json")
    write_json(folder / "index.json", {"key": index["key"], "names": index["names"]})
    store = LogitStore(folder, "key", dict.fromkeys(NAMES, "digest"))
    assert store.holds(NAMES)
    with caplog.at_level(logging.INFO):
        assert torch.equal(store.read(NAMES), logits)
    assert "has no digests, an older version wrote it" in caplog.text


def test_a_name_longer_than_a_file_system_takes(tmp_path: Path, logits: torch.Tensor) -> None:
    """50 Chinese letters are 150 bytes, and percent-encoded 450."""
    names = ["采" * 50 + end for end in "abc"]
    store = LogitStore(tmp_path, "key")
    store.write(names, logits)
    store.finish()
    assert torch.equal(LogitStore(tmp_path, "key").read(names), logits)


def test_a_flipped_bit_is_seen(folder: Path) -> None:
    damaged = sorted(folder.glob("frankfurt*.npy"))[0]
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(UserError, match=r"frankfurt.*\.npy is damaged \(its content isn't what was written\)"):
        LogitStore(folder, "key").read(NAMES)


def test_a_damaged_file_is_named(folder: Path) -> None:
    damaged = sorted(folder.glob("frankfurt*.npy"))[0]
    damaged.write_bytes(damaged.read_bytes()[:40])
    with pytest.raises(UserError, match=r"frankfurt.*\.npy is damaged"):
        LogitStore(folder, "key").read(NAMES)
    older = {"key": "key", "names": list(NAMES)}
    (folder / "index.json").write_text(json.dumps(older))
    with pytest.raises(UserError, match=r"can't read .*frankfurt.*\.npy"):
        LogitStore(folder, "key").read(NAMES)


@pytest.mark.parametrize(
    "wrong",
    [{"names": 3}, {"sha256": ["one"]}, {"pictures": [1, 2]}, {"names": [[], {}]}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_index_of_another_structure_is_refused(folder: Path, wrong: dict[str, object]) -> None:
    index = folder / "index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), **wrong}))
    with pytest.raises(UserError, match="is no index of float logits"):
        LogitStore(folder, "key").read(NAMES)
