from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qat.compile.perf.page import LABELS, TOP, VALUES, WIDTH, best, latency_chart, layer_table, page, scaling
from qat.compile.perf.report import SpeedReport, SpeedRow
from qat.compile.perf.roofline import Roofline
from qat.compile.perf.timing import Failure, Timing
from qat.html import tick_step
from qat.runtimes.protocol import LayerTime
from tests.compile.perf.fakes import FLOAT, INT8, MACHINE, PEAK, a_report

MILLISECONDS = st.floats(0.01, 1e4)


def text_of(report: SpeedReport) -> str:
    return " ".join("".join(ElementTree.fromstring(page(report)).itertext()).split())


def test_well_formed_and_holds_the_figures() -> None:
    text = text_of(a_report())
    for shown in ("20.0 ms", "model_float.onnx", "roofline 10.0 ms", "A fast one", "make bench-runtimes", "no such op"):
        assert shown in text


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", "a & b", "\"'><b>"])
def test_names_and_reasons_are_escaped(evil: str) -> None:
    report = a_report(name=evil, reason=evil)
    root = ElementTree.fromstring(page(report))
    assert not root.findall(".//script")
    assert not root.findall(".//b")
    assert evil in "".join(root.itertext())


def test_needs_nothing_from_elsewhere() -> None:
    assert not re.search(
        r"https?:|//|src=|@import|url\(|<link|<script", page(a_report()).replace("<!DOCTYPE html>", "")
    )


def test_only_the_slowest_layers_are_shown() -> None:
    text = text_of(a_report(layers=TOP + 10))
    assert re.findall(r"layer(\d+)", text) == [str(i) for i in range(TOP + 9, 9, -1)]
    assert f"{TOP + 10} layers, 435.0 ms in all" in text


@pytest.mark.parametrize(
    "report",
    [
        SpeedReport("nothing", [], MACHINE),
        SpeedReport("all failed", [SpeedRow(INT8, "ort", PEAK, Failure("no"))], MACHINE),
        SpeedReport("int8 only", [SpeedRow(INT8, "ort", PEAK, Timing(1.0, 2.0))], MACHINE),
        SpeedReport("no layer time", [], MACHINE, {("a", "b"): [LayerTime("l", "k", "f32", 0.0)]}),
    ],
    ids=lambda report: report.title,
)
def test_whatever_is_missing_the_page_is_whole(report: SpeedReport) -> None:
    assert report.title in text_of(report)


def test_layers_are_summed_by_precision() -> None:
    layers = [LayerTime("a", "Conv", "i8", 3.0), LayerTime("b", "Add", "f32", 1.0), LayerTime("c", "Conv", "i8", 4.0)]
    table = layer_table(("model.onnx", "ort"), layers)
    assert [layer.name for layer in table.top] == ["c", "a", "b"]
    assert table.precisions == (("i8", 2, 0.875), ("f32", 1, 0.125))
    assert (table.total_ms, table.count) == (8.0, 3)


def test_the_fastest_of_each_precision() -> None:
    rows = [(SpeedRow(entry, "ort", PEAK, t), t) for entry in (INT8, FLOAT) for t in (Timing(9, 9), Timing(5, 5))]
    assert {precision: timing for precision, (_, timing) in best(rows).items()} == {
        "int8": Timing(5, 5),
        "fp32": Timing(5, 5),
    }


def test_scaling_against_the_fewest_threads() -> None:
    one, two = Roofline(1, 50.0, 200.0, 10.0), PEAK
    rows = [
        *[SpeedRow(INT8, "ort", one, Timing(30.0, 30.0)), SpeedRow(INT8, "ort", two, Timing(20.0, 20.0))],
        *[SpeedRow(INT8, "openvino", one, Timing(40.0, 40.0)), SpeedRow(INT8, "openvino", two, Failure("crashed"))],
    ]
    report = SpeedReport("", rows, MACHINE)
    assert [(line.runtime, line.cells) for line in scaling(report)] == [
        ("ort", ((30.0, 1.0), (20.0, 1.5))),
        ("openvino", ((40.0, 1.0), None)),
    ]
    assert "crashed" in text_of(report)


@given(st.lists(st.tuples(MILLISECONDS, MILLISECONDS), min_size=1, max_size=8))
def test_everything_is_inside_the_picture_and_nothing_overlaps(times: Sequence[tuple[float, float]]) -> None:
    timings = [Timing(min(pair), max(pair)) for pair in times]
    chart = latency_chart([(SpeedRow((INT8, FLOAT)[i % 2], "ort", PEAK, t), t) for i, t in enumerate(timings)])
    right = WIDTH - VALUES + 1e-6
    centres = [bar.y for group in chart.groups for bar in group.bars]
    assert len(centres) == len(timings)
    assert all(below - above >= 20 for above, below in pairwise(centres))
    assert all(LABELS <= bar.median <= bar.p90 <= right for group in chart.groups for bar in group.bars)
    assert all(LABELS <= group.roofline <= right for group in chart.groups)
    assert all(a.bottom < b.top for a, b in pairwise(chart.groups))
    assert chart.groups[-1].bottom < chart.height


def test_bars_are_in_proportion_to_the_time_and_to_the_scale() -> None:
    chart = latency_chart([(SpeedRow(FLOAT, "ort", PEAK, t), t) for t in (Timing(20, 20), Timing(80, 80))])
    short, long = chart.groups[0].bars
    assert (long.median - LABELS) / (short.median - LABELS) == pytest.approx(4)
    assert {label: x for x, label in chart.ticks}["20"] == pytest.approx(short.median)
    assert chart.groups[0].roofline == pytest.approx(LABELS + 2 * (short.median - LABELS))  # 40 ms


@given(MILLISECONDS)
def test_the_scale_has_a_few_round_steps(longest: float) -> None:
    step = tick_step(longest)
    assert 3 <= longest / step <= 8 + 1e-9
    assert float(f"{step:.0e}"[0]) in (1, 2, 5)
