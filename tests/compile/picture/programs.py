"""Programs for the tests of pictures: random ones, and one with PIDNet's branches."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from qat.program.steps import Program, Quant, Step, Weight

GRID = Quant(0.5, 128)
SHAPE = (1, 8, 4, 6)
CONV = Weight(np.zeros((8, 8, 3, 3), np.int8), np.ones(8, np.float32), np.zeros(8, np.float32))
MODULES = ("", "conv1.0", "layer3_.0", "pag3", "layer3_d", "dfm.conv_p.0", "final_layer.conv1", "other.1")


def step(name: str, *inputs: str, module: str = "", weight: Weight | None = None, quant: Quant | None = GRID) -> Step:
    macs = 1000 if weight else 0
    op = "conv2d" if weight else "add" if inputs else "input"
    attributes = {"stride": (2, 2), "padding": (1, 1)} if weight else {}
    return Step(name, op, inputs, SHAPE, quant, attributes, False, weight, macs, module, "qat/models/pidnet.py:7")


def pidnet() -> Program:
    """The branches of PIDNet with a few steps each; the additions and the rounding lie outside every module."""
    return Program(
        (
            step("image"),
            step("stem", "image", module="conv1.0", weight=CONV),
            step("deep", "stem", module="layer1.0", weight=CONV),
            step("detail", "stem", module="layer3_.0", weight=CONV),
            step("detail_sum", "detail", "stem"),
            step("pag", "detail_sum", "deep", "detail", module="pag3"),
            step("edge", "stem", module="layer3_d.conv1", weight=CONV),
            step("diff", "deep", module="diff3.0", weight=CONV),
            step("edge_sum", "edge", "diff"),
            step("pyramid", "deep", module="spp"),
            step("resized", "pyramid"),
            step("gate", "edge_sum", module="dfm"),
            step("fused", "gate", "pag", "resized", module="dfm"),
            step("logits", "fused", module="final_layer.conv2", weight=CONV, quant=None),
            step("classes", "logits", quant=None),
        ),
        ("classes",),
    )


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Directed acyclic graphs of 1 to 20 steps, with and without known modules, some reading a tensor twice."""
    size = draw(st.integers(1, 20))
    modules = draw(st.permutations(MODULES)) if draw(st.booleans()) else [""]
    steps = []
    for index in range(size):
        inputs = draw(st.lists(st.integers(0, index - 1), max_size=4)) if index else []
        weight = draw(st.sampled_from((None, CONV))) if inputs else None
        module = modules[index % len(modules)]
        steps.append(step(f"s{index}", *(f"s{i}" for i in inputs), module=module, weight=weight))
    return Program(tuple(steps), (f"s{size - 1}",))
