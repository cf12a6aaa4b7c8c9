from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from qat.errors import UserError
from qat.video import pipeline
from qat.video.encoders import H264, OPENCV, Codec
from qat.video.frames import Pixels
from qat.video.pipeline import Done, Job, Progress, part_of, run
from qat.video.source import Source
from qat.video.steps import Steps
from tests.faults.disks import disk
from tests.video.computing import Halves, painter, write


def done(
    tmp_path: Path,
    compute: Halves | None = None,
    codec: Codec = H264,
    progress: Progress = lambda *_: None,
    **more: object,
) -> Done:
    source = tmp_path / "in.mp4"
    if not source.exists():
        write(source)
    job = Job(str(source), tmp_path / f"out{codec.suffix}", codec, painter(), **more)  # type: ignore[arg-type]
    return run(job, compute or Halves(), Steps(), progress)


def frames_of(path: Path) -> list[Pixels]:
    return [frame for frame, _ in Source(str(path))]


def check(tmp_path: Path, result: Done) -> None:
    """The file has each painted frame in its place; encoders lose some."""
    paint, frames = painter(), frames_of(tmp_path / "in.mp4")
    expected = [paint(frame, classes) for frame, classes in zip(frames, Halves()(frames), strict=True)]
    found = frames_of(result.path)
    assert len(found) == len(expected)
    for index, frame in enumerate(found):
        distances = [np.abs(frame.astype(int) - other).mean() for other in expected]
        assert distances[index] < 30
        assert distances[index] == min(distances)


def test_every_frame_is_computed_in_batches_and_written_in_order(tmp_path: Path) -> None:
    compute = Halves()
    result = done(tmp_path, compute)
    assert compute.sizes == [8, 8, 4]
    assert (result.frames, result.note, result.batch) == (20, "", 8)
    assert result.way.startswith("shared memory: 24 frames")
    check(tmp_path, result)
    assert {"read", "write"} <= set(result.steps.costs)
    assert not part_of(result.path).exists()


def test_progress_says_frames_and_speed_and_is_full_at_the_end_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[int, int, str]] = []
    done(tmp_path, progress=lambda *one: said.append(one))
    assert [one[:2] for one in said] == [(8, 20), (16, 20), (20, 20)]
    assert all(re.fullmatch(r"video: \d+\.\d FPS", one[2]) for one in said)
    monkeypatch.setattr(pipeline, "HAS_PIPES", False)
    monkeypatch.setattr("qat.video.source.is_live", lambda name: True)  # as of a stream: nobody knows its end
    monkeypatch.setattr("qat.video.source._opened", lambda name: cv2.VideoCapture(name))
    said.clear()
    done(tmp_path, progress=lambda *one: said.append(one))
    assert [one[:2] for one in said] == [(number, number + 1) for number in range(1, 21)]


def test_one_process_does_the_same_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "HAS_PIPES", False)
    result = done(tmp_path)
    assert (result.frames, result.way) == (20, "one process")
    check(tmp_path, result)


def test_frames_go_through_pipes_where_there_is_no_room(tmp_path: Path) -> None:
    result = done(tmp_path, memory=tmp_path / "none")
    assert result.way.startswith("pipes: ")
    check(tmp_path, result)


def test_little_room_makes_small_batches(tmp_path: Path) -> None:
    write(tmp_path / "in.mp4", 5, (1920, 1080))
    with disk(tmp_path / "shm") as mounted:
        if not mounted:  # only root may mount
            return
        compute = Halves()
        result = done(tmp_path, compute, memory=tmp_path / "shm")
    assert (result.frames, result.batch) == (5, 1)
    assert result.way == f"shared memory: 5 frames of 10.4 MB, as many as {tmp_path / 'shm'} has room for"


def test_it_ends_after_the_frames_that_are_asked_for(tmp_path: Path) -> None:
    result = done(tmp_path, most=5)
    assert (result.frames, len(frames_of(result.path)), result.note) == (5, 5, "")


class Failing(Halves):
    """A runtime that dies."""

    def __call__(self, frames: list[Pixels]) -> Pixels:  # type: ignore[override]
        if self.sizes:
            raise UserError("ort 1.0 crashed (SIGSEGV) while running model.onnx")
        return super().__call__(frames)


@pytest.mark.parametrize("codec", [H264, OPENCV[0]], ids=["pyav", "opencv"])
def test_a_runtime_that_dies_leaves_the_part_that_plays_and_what_was_there(codec: Codec, tmp_path: Path) -> None:
    before = tmp_path / f"out{codec.suffix}"
    before.write_bytes(b"an earlier video")
    with pytest.raises(
        UserError, match=r"crashed \(SIGSEGV\).*, at frame 9 of .*in.mp4; what was written till then plays"
    ):
        done(tmp_path, Failing(), codec)
    assert before.read_bytes() == b"an earlier video"
    assert len(frames_of(part_of(before))) == 8


@pytest.mark.parametrize("codec", [H264, OPENCV[0]], ids=["pyav", "opencv"])
def test_a_full_disk_is_one_line_and_overwrites_nothing(codec: Codec, tmp_path: Path) -> None:
    with disk(tmp_path / "full") as mounted:
        if not mounted:  # only root may mount
            return
        source, target = write(tmp_path / "in.mp4", 60), tmp_path / "full" / f"out{codec.suffix}"
        target.write_bytes(b"an earlier video")
        (tmp_path / "full" / "filler").write_bytes(bytes(63 * 2**20 + (900 << 10)))
        job = Job(str(source), target, codec, painter("compare"))
        with pytest.raises(UserError, match=r"No space left on device.*, at frame \d+ of "):
            run(job, Halves(), Steps(), lambda *_: None)
        assert target.read_bytes() == b"an earlier video"


def test_a_source_that_can_t_be_read_is_its_line(tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(b"none")
    with pytest.raises(UserError, match=r"can't open .*in.mp4: .*; nothing was written"):
        done(tmp_path)
