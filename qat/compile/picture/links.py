"""Who reads whom in a program."""

from __future__ import annotations

from qat.program.steps import Program


def readers_of(program: Program) -> dict[str, list[str]]:
    """Step name -> the steps that read it, in program order, each once."""
    readers: dict[str, list[str]] = {step.name: [] for step in program.steps}
    for source, target in links_of(program):
        readers[source].append(target)
    return readers


def links_of(program: Program) -> list[tuple[str, str]]:
    """(source, target) of every connection, once where a step reads a tensor twice, in program order."""
    return [(source, step.name) for step in program.steps for source in dict.fromkeys(step.inputs)]
