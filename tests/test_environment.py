from __future__ import annotations

import json
import platform

import pytest
import torch

from qat import environment as env

X86 = """processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum
flags\t\t: fpu vme avx2 avx512f {vnni} sse4_2
processor\t: 1
model name\t: another
flags\t\t: avx2
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp i8mm\nCPU part\t: 0xd40\n"


def test_the_first_processor_of_x86() -> None:
    cpu = env.parse_cpuinfo(X86.format(vnni="avx512_vnni"))
    assert cpu == env.Cpu("Intel(R) Xeon(R) Platinum", ("avx2", "avx512f", "avx512_vnni"))


def test_arm_has_features_and_no_name() -> None:
    assert env.parse_cpuinfo(ARM, "aarch64") == env.Cpu("aarch64", ("asimddp", "i8mm"))


@pytest.mark.parametrize(("flag", "expected"), [("avx512_vnni", True), ("avx_vnni", False), ("", False)])
def test_vnni_is_the_kind_that_fbgemm_uses(monkeypatch: pytest.MonkeyPatch, flag: str, expected: bool) -> None:
    monkeypatch.setattr(env, "this_cpu", lambda: env.parse_cpuinfo(X86.format(vnni=flag)))
    assert env.has_vnni() is expected


def test_no_cpuinfo_still_names_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*args: object, **kwargs: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(env.Path, "read_text", missing)
    assert env.this_cpu.__wrapped__() == env.Cpu(platform.processor() or platform.machine(), ())


def test_environment_is_json_and_names_what_ran() -> None:
    stored = json.loads(json.dumps(env.environment()))
    assert stored["torch"] == torch.__version__
    assert stored["threads"] == torch.get_num_threads()
    assert stored["cpu"]
