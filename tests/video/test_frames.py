from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from qat.video.frames import Layout, Slots, reserve
from tests.faults.disks import disk

FULL_HD = Layout((1080, 1920, 3), (2, 1080, 1920), 24)


def test_slots_hold_frames_and_results_apart(tmp_path: Path) -> None:
    layout, descriptor = reserve(Layout((2, 3, 3), (2, 2, 3), 4), tmp_path)
    assert layout.path
    assert descriptor is not None
    ours, theirs = Slots(layout), Slots(layout)  # as two processes map them
    for slot in range(4):
        assert ours.put_frame(slot, np.full((2, 3, 3), slot, np.uint8)) is None
        assert ours.put_result(slot, np.full((2, 2, 3), 100 + slot, np.uint8)) is None
    for slot in range(4):
        assert (theirs.frame(slot, None) == slot).all()
        assert (theirs.result(slot, None) == 100 + slot).all()
    assert not list(tmp_path.iterdir())  # nothing that a killed run could leave
    os.close(descriptor)


def test_a_64_mb_disk_has_room_for_some_frames_of_1080p_and_keeps_it(tmp_path: Path) -> None:
    with disk(tmp_path / "shm") as mounted:
        if not mounted:  # only root may mount; the other test plays such a disk
            return
        before = os.statvfs(tmp_path / "shm")
        layout, descriptor = reserve(FULL_HD, tmp_path / "shm")
        assert layout.slots == 5  # of 10.4 MB, in 80 % of 64 MiB
        left = os.statvfs(tmp_path / "shm")
        taken = (before.f_bavail - left.f_bavail) * left.f_frsize
        assert taken >= layout.slots * layout.slot_bytes  # before a byte is written
        slots, frame = Slots(layout), np.full(FULL_HD.frame, 7, np.uint8)
        for slot in range(layout.slots):
            slots.put_frame(slot, frame)
        assert (Slots(layout).frame(3, None) == 7).all()
        assert descriptor is not None
        os.close(descriptor)


@pytest.mark.parametrize(("megabytes", "slots", "shared"), [(4096, 24, True), (64, 6, True), (16, 24, False)])
def test_free_space_decides_the_slots(
    megabytes: int, slots: int, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=megabytes * 256, f_frsize=4096))
    taken = []
    monkeypatch.setattr(os, "posix_fallocate", lambda descriptor, offset, size: taken.append(size))
    layout, descriptor = reserve(Layout((1080, 1920, 3), (1, 1080, 1920), 24), tmp_path)
    assert (layout.slots, bool(layout.path)) == (slots, shared)
    if descriptor is not None:
        assert taken == [slots * layout.slot_bytes]
        os.close(descriptor)


def test_where_the_room_is_gone_after_all_frames_go_through_pipes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    layout, descriptor = reserve(Layout((2, 2, 3), (1, 2, 2), 4), tmp_path)
    assert descriptor is None
    carried = Slots(layout).put_frame(0, np.ones((2, 2, 3), np.uint8))
    assert carried is not None
    assert (Slots(layout).frame(0, carried) == 1).all()
