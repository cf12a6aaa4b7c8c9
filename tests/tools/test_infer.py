"""infer on pictures and a video, on a network that takes no time."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from qat.cli.main import main
from qat.data.image_io import read_label
from qat.video.encoders import choose_codec, open_encoder
from qat.video.source import Source
from qat.video.street import street_frames, write_street

SIZE = (512, 256)  # streets' pictures


@pytest.fixture(scope="module")
def run(tiny: list[str]) -> Path:
    """A run's folder with stage calib."""
    assert main(["calib", *tiny]) == 0
    return Path(tiny[tiny.index("OUTPUT_DIR") + 1]) / "streets" / "tiny"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of a street."""
    folder = tmp_path_factory.mktemp("pictures")
    for index, frame in enumerate(street_frames(2, SIZE)):
        cv2.imwrite(str(folder / f"a{index}.png"), frame[..., ::-1])
    return folder


def infer(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> dict:
    capsys.readouterr()
    assert main(["infer", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def mistake(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["infer", *arguments]) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_each_mode_shows_the_same_classes(
    tiny: list[str], run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for mode in ("mask", "colour", "overlay", "compare"):
        arguments = ["--stage", "calib", "--mode", mode, "--input", str(pictures / "*0.png"), *tiny]
        result = infer([*arguments, "--output", str(tmp_path / mode)], capsys)
        assert {"read", "preprocess", "infer calib", "post-process", "write"} <= set(result["steps"]["costs"])
        (path,) = result["pictures"]
        found[mode] = Path(path)
    mask = read_label(found["mask"])  # the file's own values, not its palette's colours
    colours = cv2.imread(str(found["colour"]))
    assert mask.shape == (256, 512)
    shown = cv2.imread(str(found["mask"]))  # as a viewer shows it
    np.testing.assert_array_equal(shown, colours)
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == len(np.unique(mask))
    assert cv2.imread(str(found["overlay"])).shape == (256, 512, 3)
    assert cv2.imread(str(found["compare"])).shape[1] == 3 * 512 + 2 * 8


def test_a_video_goes_through_float_and_the_stage_from_one_decode(
    tiny: list[str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_street(tmp_path, frames=6)
    arguments = ["--stage", "calib", "--input", str(source), "--batch", "4", *tiny]
    result = infer(arguments, capsys)
    path = Path(result["path"])
    assert path == run / "calib" / "infer" / f"street{choose_codec().suffix}"
    frames = [frame for frame, _ in Source(str(path))]
    assert (len(frames), result["done"]["frames"]) == (6, 6)
    assert frames[0].shape[1] == 3 * 512 + 2 * 8
    assert set(result["flicker"]) == {"float", "calib"}
    steps = result["done"]["steps"]["costs"]
    assert {"read", "infer float", "infer calib", "post-process", "flicker", "write"} <= set(steps)
    record = json.loads((path.parent / "street.video.json").read_text())
    assert [len(curve) for curve in record["curves"].values()] == [5, 5]
    assert [one["frame"] for one in record["strip"]] == [0, 1, 2, 3, 4, 5]
    assert main(["eval", "--stage", "calib", *tiny]) == 0
    assert main(["report", "--images", "0", *tiny]) == 0
    page = (run / "report" / "report.html").read_text().partition('<section id="video">')[2].partition("</section>")[0]
    assert "street.mp4, calib" in page
    assert page.count("<polyline") == 2
    assert page.count('alt="Frame ') == 6


def test_a_still_video_doesn_t_flicker(
    tiny: list[str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codec = choose_codec()
    encoder = open_encoder(tmp_path / f"still{codec.suffix}", (256, 512), 25.0, codec)
    frames = list(street_frames(2, SIZE))
    for index in range(4):
        encoder.write(frames[index // 2], index / 25)
    encoder.close()
    arguments = ["--input", str(tmp_path / f"still{codec.suffix}"), "--output", str(tmp_path / "out"), *tiny]
    result = infer([*arguments, "--mode", "overlay"], capsys)
    curve = json.loads((tmp_path / "out" / "still.video.json").read_text())["curves"]["float"]
    assert curve[1] == max(curve) > 0.05
    assert result["flicker"]["float"] == pytest.approx(sum(curve) / 3)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--input", "{}/none.mp4"], "no video .*none.mp4; expected a file, a camera's number"),
        (["--input", "{}/*.bmp"], "no image fits .*; expected files that end in"),
        (["--input", "97"], "can't open camera 97"),
        (["--input", "{}/street.mp4", "--mode", "mask"], "mode mask writes class ids, which a video can't hold"),
        (["--input", "{}/street.mp4", "--logits"], "--logits is for pictures and --input .* is a video"),
        (["--input", "{}/street.mp4", "--batch", "0"], "--batch 0 --frames 0; expected at least 1 and 0"),
        (["--input", "{}/street.mp4", "--output", "{}"], "the video of .* would be written over it; give another"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], line: str, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "street.mp4"
    source.write_bytes(b"a video")
    said = mistake([*(word.format(tmp_path) for word in arguments), *tiny], capsys)
    assert re.search(line, said), said
    assert source.read_bytes() == b"a video"
