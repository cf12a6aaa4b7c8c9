from __future__ import annotations

from pathlib import Path

import pytest
import torch

from qat.errors import UserError
from qat.evaluation import LogitStore

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


def test_a_damaged_file_is_named(folder: Path) -> None:
    damaged = sorted(folder.glob("frankfurt*.npy"))[0]
    damaged.write_bytes(damaged.read_bytes()[:40])
    with pytest.raises(UserError, match=r"can't read .*frankfurt.*\.npy"):
        LogitStore(folder, "key").read(NAMES)
