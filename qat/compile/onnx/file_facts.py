"""What a file says of itself beside the caller's texts (`qat.deploy.facts` reads it): its ends, its form, its size."""

from __future__ import annotations

import json

from qat.compile.onnx.io_spec import IOSpec
from qat.compile.onnx.values import Spelling
from qat.deploy.facts import COLOUR, LAYOUT
from qat.program.steps import Program


def file_facts(program: Program, spelling: Spelling, io: IOSpec, dynamic_batch: bool) -> dict[str, str]:
    """The texts of a file that `program` becomes, as JSON but for plain words."""
    batch, channels, height, width = program.steps[0].shape
    given = {
        "height": height,
        "width": width,
        "channels": channels,
        "type": io.source,
        "batch": 0 if dynamic_batch else batch,
        "layout": LAYOUT,
        "colour": COLOUR,
    }
    facts = {"input": given, "parameters": parameters(program), "macs": program.macs}
    texts = {key: json.dumps(value) for key, value in facts.items()}
    return {**texts, "output": io.result, "form": form_of(program, spelling)}


def form_of(program: Program, spelling: Spelling) -> str:
    """float, int8 s8 or int8 u8, by the bytes of activations."""
    if not any(step.quant for step in program.steps):
        return "float"
    return "int8 s8" if spelling.signed else "int8 u8"


def parameters(program: Program) -> int:
    """Weights and biases."""
    held = [step.weight for step in program.steps if step.weight]
    return sum(weight.values.size + (0 if weight.bias is None else weight.bias.size) for weight in held)
