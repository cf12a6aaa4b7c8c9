"""Without VNNI: 128 levels in the kernels, or all 256 the slow way; the numbers are those of a CPU that has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from qat import engine
from qat.environment import has_vnni
from qat.program import kernels
from qat.program.conversion import choose_kernels
from qat.program.departures import compare_program
from qat.program.run import ProgramNetwork
from tests.compile.small import block
from tests.networks import BLOCK, pictures

ROOT = Path(__file__).resolve().parents[2]


def outputs(narrow: bool) -> dict[str, torch.Tensor]:
    """Every tensor of a program that was calibrated for 256 levels, or 128; no step departs from calib."""
    before = engine.has_vnni
    engine.choose_engine.cache_clear()
    engine.has_vnni = lambda: not narrow  # type: ignore[assignment]
    try:
        network = block()
        picture = 3 * pictures(BLOCK, 1, seed=4)[0]
        assert [str(one) for one in compare_program(network, picture) if one.departs] == []
        return ProgramNetwork(network.program).tensors(picture)
    finally:
        engine.has_vnni = before  # type: ignore[assignment]
        engine.choose_engine.cache_clear()


def save(path: str) -> None:
    """What a child writes: whether its kernels are exact, what it computes, and what its engine auto takes."""
    network = block()
    choice = choose_kernels(network, pictures(BLOCK, 1)[0])
    exact = kernels.available(), kernels.available(127)
    torch.save({"exact": exact, "full": outputs(False), "narrow": outputs(True), "choice": choice.name}, path)


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a process computes whose oneDNN has no VNNI."""
    if not has_vnni():
        pytest.skip("this CPU has no AVX512-VNNI to switch off")
    path = tmp_path_factory.mktemp("vnni") / "child.pt"
    code = f"from tests.program.test_without_vnni import save; save({str(path)!r})"
    environ = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, env=environ, check=False)
    assert done.returncode == 0
    return torch.load(path)


def test_the_self_test_sees_what_saturates(child: dict[str, object]) -> None:
    assert kernels.available()
    assert kernels.available(127)
    assert child["exact"] == (False, True)


def test_128_levels_run_in_the_kernels_to_the_same_bits(child: dict[str, dict[str, torch.Tensor]]) -> None:
    expected = outputs(narrow=True)
    assert all(torch.equal(child["narrow"][name], tensor) for name, tensor in expected.items())


def test_256_levels_run_slowly_to_the_same_levels(child: dict[str, dict[str, torch.Tensor]]) -> None:
    expected = outputs(narrow=False)
    for name, tensor in expected.items():
        assert torch.isclose(child["full"][name], tensor, rtol=1e-4, atol=1e-5).float().mean() > 0.98, name


def test_auto_takes_the_program_there(child: dict[str, object]) -> None:
    assert child["choice"] == "program"
