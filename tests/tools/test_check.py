from __future__ import annotations

import json

import pytest

from qat.cli.main import main

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
