"""Where commands compute: float, calib, qat and training on DEVICE, what is made for a CPU on the CPU."""

from __future__ import annotations

from yacs.config import CfgNode

ON_CPU = {  # commands of which no part runs on another device, and why
    "check": "rewrites are proven in float there",
    "debug": "its layers are those of int8 kernels too",
    "compile": "files are held against this CPU's runtimes",
    "handover": "the bundle's probes are the CPU's, as the vendor's compiler is",
    "bench": "it measures this CPU",
    "bench-runtimes": "it measures this CPU",
    "bench-peers": "it measures this CPU",
}
CPU_STAGES = ("int_infer", "compiled")  # int8 kernels and runtimes


def command_on_cpu(config: CfgNode, command: str) -> str:
    """Returns one line where a command stays on the CPU though DEVICE names another; "" elsewhere.

    >>> from qat.config import load_config
    >>> command_on_cpu(load_config(None, ["DEVICE", "cuda"]), "compile")
    "DEVICE cuda: compile stays on the CPU, files are held against this CPU's runtimes"
    """
    if config.DEVICE in ("auto", "cpu") or command not in ON_CPU:
        return ""
    return f"DEVICE {config.DEVICE}: {command} stays on the CPU, {ON_CPU[command]}"


def stage_on_cpu(config: CfgNode, stage: str) -> str:
    """Returns one line where a stage stays on the CPU though DEVICE names another; "" elsewhere."""
    if config.DEVICE in ("auto", "cpu") or stage not in CPU_STAGES:
        return ""
    return f"DEVICE {config.DEVICE}: {stage} stays on the CPU, whose int8 kernels and runtimes it is"
