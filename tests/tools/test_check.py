from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CFG = "configs/streets/pidnet_s.yaml"


def run_check(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "check.py"), "-c", CFG, *arguments]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def test_prints_violations_and_rules_or_json() -> None:
    options = ("QUANT.TARGET", "x86", "TEST.IMAGE_SIZE", "[256,128]")
    done = run_check(*options)
    assert done.returncode == 0, done.stderr
    assert "errors: 16 before, 0 after; warnings: 0 before, 0 after" in done.stdout
    found = json.loads(run_check("--json", *options).stdout)
    assert (found["model"], found["target"], found["shape"]) == ("pidnet_s", "x86", [1, 3, 128, 256])
    assert [v["op"] for v in found["before"]].count("interpolate") == 11
    assert all(v["source"].startswith("qat/models/") for v in found["before"])
    assert {entry["rule"] for entry in found["log"]["fired"]} >= {"constant_minuend", "channel_sum", "dequant_stub"}
    assert all(proof["difference"] <= proof["tolerance"] for proof in found["log"]["proofs"])
    assert found["after"] == []
    for rule in ("constant_sizes", "keepdim", "constant_minuend", "adaptive_pool", "channel_sum", "quant_stub"):
        assert rule in done.stdout


def test_errors_that_remain_are_exit_code_1() -> None:
    """At this width the global pooling of PIDNet needs kernel and stride 257, which J5 hasn't."""
    done = run_check("QUANT.TARGET", "j5", "TEST.IMAGE_SIZE", "[16448,64]")
    assert done.returncode == 1, done.stderr
    assert "kernel_size (1, 257) is above 256" in done.stdout
    assert "errors: 20 before, 2 after" in done.stdout


def test_a_users_mistake_is_exit_code_2() -> None:
    done = run_check("MODEL.NAME", "pidnet_x")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pidnet_x" in done.stderr
