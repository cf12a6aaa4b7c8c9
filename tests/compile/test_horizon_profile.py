"""profiler.log in the forms that the vendor's pages show."""

from __future__ import annotations

import json

import pytest

from qat.compile.horizon_profile import SPLIT, profile
from qat.errors import UserError

RUN = {"perf_result": {"FPS": 244.2, "average_latency": 4.0}, "running_condition": {"core_id": 0, "thread_num": 1}}
TIMES = {"avg_time": 2.9, "max_time": 3.0, "min_time": 2.8}


def test_the_older_page_has_times_alone_and_another_name_for_the_bpu() -> None:
    nodes = {"MOBILENET_subgraph_0": TIMES, "MOBILENET_subgraph_0_output_layout_convert": TIMES, "prob": TIMES}
    found = profile(json.dumps({"model_latency": nodes, "task_latency": {}}))
    assert found.row is None
    assert [node.on_bpu for node in found.nodes] == [True, False, False]


@pytest.mark.parametrize(
    ("run", "times"),
    [
        (RUN, TIMES | {"avg_time": float("nan")}),
        (RUN, TIMES | {"avg_time": "2.9"}),
        (RUN | {"perf_result": {"FPS": float("inf"), "average_latency": 4.0}}, TIMES),
        (RUN | {"running_condition": {"thread_num": float("inf")}}, TIMES),
    ],
    ids=["a time is no number", "a time is text", "endless FPS", "endless threads"],
)
def test_figures_are_finite_numbers(run: object, times: object) -> None:
    text = f"{json.dumps(run)}{SPLIT}{json.dumps({'model_latency': {'BPU_net': times}})}"
    with pytest.raises(UserError, match="isn't a whole profile"):
        profile(text)


def test_three_objects_are_another_file() -> None:
    nodes = json.dumps({"model_latency": {"BPU_net": TIMES}})
    with pytest.raises(UserError, match="isn't a whole profile"):
        profile(SPLIT.join([json.dumps(RUN), json.dumps(RUN), nodes]))
