from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from qat.cli.main import main
from tests.graph.traps.files import FILES

CHECK = ("check", "-c", "streets/pidnet_s")


def test_prints_violations_and_rules_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("QUANT.TARGET", "x86", "TEST.IMAGE_SIZE", "[256,128]")
    assert main([*CHECK, *options]) == 0
    shown = capsys.readouterr().out
    assert "errors: 0 before, 0 after; warnings: 5 before, 0 after" in shown
    for rule in ("constant_sizes", "keepdim", "constant_minuend", "adaptive_pool", "channel_sum", "quant_stub"):
        assert rule in shown
    assert main([*CHECK, "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["target"], found["shape"]) == ("pidnet_s", "x86", [1, 3, 128, 256])
    assert {v["op"] for v in found["before"]} == {"sub", "sum"}
    assert all(v["source"].startswith("qat/models/") for v in found["before"])
    assert {entry["rule"] for entry in found["log"]["fired"]} >= {"constant_minuend", "channel_sum", "dequant_stub"}
    assert all(proof["difference"] <= proof["tolerance"] for proof in found["log"]["proofs"])
    assert found["after"] == []


def test_errors_that_remain_are_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    """At this width the global pooling of PIDNet needs kernel and stride 257, which J5 hasn't."""
    assert main([*CHECK, "QUANT.TARGET", "j5", "TEST.IMAGE_SIZE", "[16448,64]"]) == 1
    shown = capsys.readouterr().out
    assert "kernel_size (1, 257) is above 256" in shown
    assert "errors: 16 before, 2 after" in shown


def test_a_users_mistake_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CHECK, "MODEL.NAME", "pidnet_x"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pidnet_x" in said


def test_a_files_traps_and_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(FILES["strided_slice"][0], path)
    assert main(["check", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "strided_slice" in shown
    assert "errors: 0; warnings: 1" in shown
    assert main(["check", str(path), "--newest-opset", "11", "--json"]) == 1
    assert [one["trap"] for one in json.loads(capsys.readouterr().out)["traps"]] == ["strided_slice", "opset"]


@pytest.mark.parametrize(
    ("more", "said"),
    [((), "can't be read as ONNX"), (("QUANT.TARGET", "j5"), "no config goes with; leave out QUANT.TARGET j5")],
)
def test_a_damaged_file_and_keys_beside_it_are_one_line(
    more: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    assert main(["check", str(tmp_path / "model.onnx"), *more]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
