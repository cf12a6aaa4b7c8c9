from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from qat.training import dist_context

ROOT = Path(__file__).resolve().parents[2]


FILES = {
    "train": (
        "best.safetensors",
        "checkpoint.pth.tar",
        "config.yaml",
        "final.safetensors",
        "history.json",
        "train.log",
    ),
    "qat": ("config.yaml", "history.json", "train.log"),
}


@pytest.fixture(scope="module", params=FILES)
def ranks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    kind, folder = request.param, tmp_path_factory.mktemp(request.param)
    command = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "-m",
        "tests.training.two_processes",
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command, kind, str(folder)], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (folder / "output" / "streets" / "tiny" / kind).iterdir()) == [*FILES[kind]]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.slow
def test_both_processes_end_with_equal_weights(ranks: list[dict[str, Any]]) -> None:
    torch.testing.assert_close(ranks[0]["parameters"], ranks[1]["parameters"], rtol=0, atol=0)


@pytest.mark.slow
def test_both_processes_know_the_mean_loss(ranks: list[dict[str, Any]]) -> None:
    assert ranks[0]["loss"] == ranks[1]["loss"]
    assert ranks[0]["loss"][-1] < ranks[0]["loss"][0]


@pytest.mark.slow
def test_each_picture_goes_to_one_process(ranks: list[dict[str, Any]]) -> None:
    names = [set(rank["names"]) for rank in ranks]
    assert [len(one) for one in names] == [4, 4]
    assert not names[0] & names[1]


def test_one_process_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with dist_context(torch.device("cpu")) as context:
        assert context.main
        assert float(context.mean(torch.tensor(3.0))) == 3.0
