from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from qat.compile.picture.svg import dtype_of, label_of, svg_of
from qat.program.steps import Program, Step, Weight
from tests.compile.picture.programs import CONV, GRID, SHAPE, pidnet, step

SVG = "{http://www.w3.org/2000/svg}"
ODD = "odd <&\"'> name"


def drawn(program: Program, errors: dict[str, dict[str, float]] | None = None) -> ElementTree.Element:
    return ElementTree.fromstring(svg_of(program, "A network", errors))


def by_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if name in element.get("class", "").split()]


def texts(element: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in element.iter(f"{SVG}text")]


def node_of(root: ElementTree.Element, name: str) -> ElementTree.Element:
    return next(node for node in by_class(root, "node") if node.get("data-name") == name)


def test_every_step_and_every_connection_is_drawn_once() -> None:
    program, root = pidnet(), drawn(pidnet())
    assert [node.get("id") for node in by_class(root, "node")] == [f"node-{step.name}" for step in program.steps]
    links = [(link.get("data-source"), link.get("data-target")) for link in by_class(root, "link")]
    assert sorted(links) == sorted((source, step.name) for step in program.steps for source in step.inputs)


def test_a_step_shows_operation_shape_cost_and_module_and_has_its_facts_as_tooltip() -> None:
    root = drawn(pidnet(), {"stem": {"sqnr_db": 31.25}})
    assert texts(node_of(root, "stem")) == ["conv 3×3 /2", "8×4×6", "1 k", "conv1.0"]
    tooltip = node_of(root, "stem").findtext(f"{SVG}title", "").split("\n")
    assert tooltip[:4] == ["stem", "Operation: conv 3×3 /2", "Module: conv1.0", "Shape: 1×8×4×6"]
    assert {"Scale: 0.5", "Zero point: 128", "Range: -64 … 63.5", "Error: SQNR (dB): 31.25"} < set(tooltip)
    assert {"Weights: 8×8×3×3 = 576 int8, 8 scales, with bias", "Source: qat/models/pidnet.py:7"} < set(tooltip)
    assert "MACs: 1 k (16.7% of 6 k)" in tooltip


def test_the_legend_names_the_types_that_occur_and_no_other() -> None:
    legend = texts(by_class(drawn(pidnet()), "legend")[0])
    assert legend[:2] == ["int8", "int8 in, float out"]
    assert "float" in legend
    whole = Program((step("x"), step("y", "x")), ("y",))
    assert texts(by_class(drawn(whole), "legend")[0])[:2] == ["int8", "with weights"]


def test_branches_are_headed() -> None:
    headings = [texts(lane) for lane in by_class(drawn(pidnet()), "lane")]
    assert headings[:3] == [["P", "detail"], ["I", "context"], ["D", "boundary"]]


def test_the_bar_is_as_long_as_the_step_costs_of_the_heaviest() -> None:
    heavy = replace(step("b", "a", weight=CONV), macs=4000)
    root = drawn(Program((step("a"), heavy, step("c", "b", weight=CONV)), ("c",)))
    widths = [float(by_class(node_of(root, name), "bar")[0].get("width", "")) for name in "bc"]
    assert widths[1] == pytest.approx(widths[0] / 4, abs=0.1)


def test_the_same_program_gives_the_same_text() -> None:
    assert svg_of(pidnet(), "t") == svg_of(pidnet(), "t")


def test_names_with_markup_are_escaped() -> None:
    root = ElementTree.fromstring(svg_of(Program((step(ODD), step("y", ODD, module=ODD)), ("y",)), ODD))
    assert node_of(root, ODD).findtext(f"{SVG}title", "").startswith(ODD)
    assert root.findtext(f"{SVG}title") == ODD
    assert by_class(root, "link")[0].get("data-source") == ODD


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("x", "int8"), ("whole", "int8"), ("tail", "float_out"), ("after", "float"), ("mixed", "float_out")],
)
def test_dtypes(name: str, dtype: str) -> None:
    floats = Weight(np.zeros((8, 8, 1, 1), np.float32))
    steps = (
        step("x"),
        step("whole", "x", weight=CONV),
        step("tail", "whole", weight=CONV, quant=None),
        step("after", "tail", weight=floats, quant=None),
        step("mixed", "after", "whole", quant=None),
    )
    program = Program(steps, ("mixed",))
    assert dtype_of(program[name], program) == dtype


@pytest.mark.parametrize(
    ("op", "attributes", "label"),
    [
        ("avg_pool2d", {"kernel_size": (17, 17), "stride": (8, 8)}, "avg pool 17×17 /8"),
        ("avg_pool2d", {"kernel_size": (6, 8), "stride": (6, 8)}, "avg pool 6×8 /6×8"),
        ("scale_shift", {"scale": -1.0, "shift": 1.0}, "x × -1 + 1"),
        ("interpolate", {"size": [45, 60]}, "resize"),
        ("sigmoid", {}, "sigmoid"),
    ],
)
def test_labels_without_weights(op: str, attributes: dict[str, object], label: str) -> None:
    assert label_of(Step("a", op, (), SHAPE, GRID, attributes)) == label


def test_labels_of_convolutions() -> None:
    grouped = replace(step("a", "x", weight=CONV), attributes={"stride": 1, "dilation": (2, 2), "groups": 4}, relu=True)
    assert label_of(grouped) == "conv 3×3 d2 g4 + relu"
