"""Video files as they are met: odd sizes, turned, of a variable rate, cut off, empty, no video at all."""

from __future__ import annotations

import struct
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest

from qat.errors import UserError
from qat.video import encoders
from qat.video.encoders import OPENCV, choose_codec, open_encoder
from qat.video.source import Source
from tests.video.computing import write


def test_pyav_is_taken_where_it_is_and_opencv_without(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_codec().name == "H.264 by PyAV's libx264"
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    assert choose_codec().name == "VP9 by OpenCV"


@pytest.mark.parametrize("codec", [encoders.H264, *OPENCV], ids=lambda codec: codec.suffix + codec.letters)
def test_every_codec_keeps_frames_size_and_colours(codec: encoders.Codec, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{codec.suffix}", 12, (64, 48), codec)
    source = Source(str(path))
    frames = [frame for frame, _ in source]
    assert (len(frames), source.stream.rate, source.note) == (12, 10.0, "")
    expected = Source(str(write(tmp_path / "other.mp4", 12)))
    assert all(np.abs(a.astype(int) - b).mean() < 12 for a, (b, _) in zip(frames, expected, strict=True))


@pytest.mark.parametrize("codec", [encoders.H264, OPENCV[0]], ids=["pyav", "opencv"])
def test_odd_sides_become_even(codec: encoders.Codec, tmp_path: Path) -> None:
    path = write(tmp_path / f"a{codec.suffix}", 3, (63, 47), codec)
    stream = Source(str(path)).stream
    assert (stream.height, stream.width) == (48, 64)


TIMES = (0.0, 0.1, 0.5, 0.6, 1.4)


def of_variable_rate(path: Path, codec: encoders.Codec, times: tuple[float, ...] = TIMES) -> Path:
    encoder = open_encoder(path, (32, 32), 10.0, codec)
    for index, seconds in enumerate(times):
        encoder.write(np.full((32, 32, 3), 40 * index, np.uint8), seconds)
    encoder.close()
    return path


def test_a_variable_rate_stays_one(tmp_path: Path) -> None:
    found = [seconds for _, seconds in Source(str(of_variable_rate(tmp_path / "a.mp4", encoders.H264)))]
    assert found == pytest.approx(TIMES, abs=2e-3)


def test_a_clock_that_jumps_goes_on_as_it_should(tmp_path: Path) -> None:
    source = Source(str(of_variable_rate(tmp_path / "a.mp4", encoders.H264, (0.0, 0.1, 1000.0, 1000.1))))
    times, step = [seconds for _, seconds in source], 1 / source.stream.rate
    assert times == pytest.approx([0.0, 0.1, 0.1 + step, 0.2 + step], abs=2e-3)


def test_a_stream_that_ends_is_read_to_its_end(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", 12)
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        source = Source(f"http://127.0.0.1:{server.server_port}/a.mp4")
        times = [seconds for _, seconds in source]
        server.shutdown()
    assert (source.stream.count, source.note) == (0, "")
    assert times == pytest.approx([index / 10 for index in range(12)], abs=2e-3)


class Quiet(SimpleHTTPRequestHandler):
    """A server that says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_camera_that_goes_away_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mp4", 3)
    monkeypatch.setattr("qat.video.source._opened", lambda name: cv2.VideoCapture(str(path)))
    camera = Source("0")
    assert len(list(camera)) == 3
    assert camera.note == "camera 0 gives no more frames after 3: it has gone away, or another has it"
    few = Source("0", most=2)
    assert len(list(few)) == 2
    assert few.note == ""


def test_opencv_repeats_frames_until_the_next_one_s_time(tmp_path: Path) -> None:
    frames = [int(frame.mean()) // 35 for frame, _ in Source(str(of_variable_rate(tmp_path / "a.webm", OPENCV[0])))]
    assert len(frames) == 15  # 1.4 s and the last one, of 0.1 s
    assert [frames[round(10 * seconds)] for seconds in TIMES] == sorted(set(frames))


def test_a_turned_video_is_read_upright(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", 3, (64, 32))
    data = bytearray(path.read_bytes())
    matrix = data.rindex(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 32 << 16, 0, 1 << 30)  # 90 degrees
    path.with_name("turned.mp4").write_bytes(data)
    plain, turned = next(iter(Source(str(path))))[0], next(iter(Source(str(tmp_path / "turned.mp4"))))[0]
    assert turned.shape == (64, 32, 3)
    assert np.abs(cv2.rotate(plain, cv2.ROTATE_90_CLOCKWISE).astype(int) - turned).mean() < 2


def test_a_truncated_video_is_read_as_far_as_it_goes_which_is_said(tmp_path: Path) -> None:
    codec = OPENCV[1]
    whole = write(tmp_path / "a.avi", 40, codec=codec).read_bytes()
    (tmp_path / "a.avi").write_bytes(whole[: len(whole) // 2])
    source = Source(str(tmp_path / "a.avi"))
    read = len(list(source))
    assert 5 < read < 36
    assert source.note.endswith(
        f"a.avi is truncated or damaged: {read} of the 40 frames that its header names can be read"
    )


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("none.mp4", None, "no video .*none.mp4; expected a file, a camera's number"),
        ("empty.mp4", b"", "can't open .*empty.mp4: it is damaged .*, no video, or of a codec that isn't here"),
        ("text.mp4", b"no video\n" * 99, "can't open .*text.mp4: it is damaged"),
    ],
)
def test_what_is_no_video_is_one_line(name: str, content: bytes | None, line: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=line):
        Source(str(tmp_path / name))


def test_a_codec_that_isn_t_here_and_a_video_without_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "a.avi", 4, codec=OPENCV[1])
    data = path.read_bytes()
    path.write_bytes(data.replace(b"mp4v", b"QQQQ").replace(b"MP4V", b"QQQQ"))
    with pytest.raises(UserError, match=r"can't open|holds no frame that can be read: is it empty, or its codec not"):
        Source(str(path))


def test_a_camera_that_isn_t_there() -> None:
    with pytest.raises(UserError, match="can't open camera 97: no camera of that number here"):
        Source("97")
