"""QUANT.OBSERVER auto: one pass of statistics, each candidate judged as it would run, the best one kept."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor, fx, nn

import qat
from qat.backends import calibration, scales
from qat.backends.scales import freeze_scales, quantisers
from qat.backends.spec import QuantSpec
from qat.evaluation.scorer import Score
from qat.observers.ranges import Candidate
from qat.origin import Origin
from qat.ptq.observer_search import Scored, best, choose, observer_candidates, search, search_observers, search_table
from qat.stages import CHECKPOINTS, PARTIAL

MADE_FROM = Origin({"weights": "abc"})


class Tiny(nn.Module):
    """With a sigmoid, whose grid is fixed, and an addition of a constant, which has none of its own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        return self.last(x * torch.sigmoid(x) + 1)


def prepared(observer: str = "auto", **settings: float) -> fx.GraphModule:
    rewritten = qat.rewrite(Tiny().eval(), torch.zeros(1, 3, 16, 24), "x86")
    return qat.prepare(rewritten, QuantSpec(observer=observer, **settings))


def images(count: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(1, 3, 16, 24, generator=generator) ** 3 * (1 + i) for i in range(count)]


def calibrated(observer: str = "auto", **settings: float) -> fx.GraphModule:
    graph = prepared(observer, **settings)
    calibration.calibrate(graph, images())
    return graph


class Judge:
    """SQNR of the tiny network's logits; remembers how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.float = Tiny().eval()
        self.x = torch.cat(images(6)[4:])

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> Score:
        self.asked += 1
        expected = self.float(self.x)
        noise = (network(self.x) - expected).square().sum()
        return Score(float(10 * torch.log10(expected.square().sum() / noise)), 0.0, None)


def test_each_candidate_is_scored_as_a_run_of_it_alone_would_be() -> None:
    judge, graph = Judge(), calibrated()
    for one in search(graph, observer_candidates(graph)[1::4], judge):
        candidate = one.candidate
        alone = calibrated(
            candidate.method, percentile=candidate.percentile or 99.99, averaging_constant=candidate.averaging
        )
        assert one.score == judge(qat.fake_quantized(alone))


def test_the_best_is_chosen_and_settles_like_a_run_of_it_alone() -> None:
    graph = calibrated()
    scored = search_observers(graph, Judge())
    top = max(scored, key=lambda one: one.score.logit_sqnr).candidate
    alone = calibrated(top.method, percentile=top.percentile or 99.99, averaging_constant=top.averaging)
    freeze_scales(graph)
    assert scales.qparams(graph) == scales.qparams(alone)
    rows = scales.qparams(graph).values()
    assert {(row["observer"], row["averaging"]) for row in rows} == {("fixed", None), (top.label, top.averaging)}


def test_searching_leaves_the_graph_as_it_was() -> None:
    graph = calibrated()
    before = {key: value.clone() for key, value in graph.state_dict().items()}
    search(graph, observer_candidates(graph), Judge())
    assert all(torch.equal(value, before[key]) for key, value in graph.state_dict().items())
    with pytest.raises(qat.UserError, match="auto has chosen no observer yet"):
        qat.fake_quantized(graph)


def test_identical_grids_are_judged_once() -> None:
    judge, done = Judge(), []
    twins = [Candidate("min_max"), Candidate("mse"), Candidate("min_max")]
    scored = search(calibrated(), twins, judge, lambda: done.append(1))
    assert (judge.asked, len(done)) == (2, 3)
    assert scored[0].score == scored[2].score != scored[1].score


def test_the_highest_sqnr_wins_and_the_first_among_equals() -> None:
    scored = [
        Scored(Candidate(name), Score(sqnr, changed, 0.5))
        for name, sqnr, changed in [("min_max", 20.0, 0.01), ("mse", 30.0, 0.02), ("kl", 30.0, 0.0)]
    ]
    assert best(scored).candidate.method == "mse"


def test_a_killed_calibration_goes_on_to_the_identical_choice_and_scales(tmp_path: Path) -> None:
    whole, stopped, resumed = calibrated(), prepared(), prepared()
    calibration.calibrate(stopped, images()[:2])
    calibration.save_calibration(stopped, tmp_path / PARTIAL, 2, MADE_FROM)
    done = calibration.resume_calibration(resumed, tmp_path / PARTIAL, MADE_FROM)
    calibration.calibrate(resumed, images()[done:], done=done)
    assert search_observers(resumed, Judge()) == search_observers(whole, Judge())
    assert scales.qparams(resumed) == scales.qparams(whole)
    ours, theirs = resumed.state_dict(), whole.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def test_the_choice_is_in_the_checkpoint(tmp_path: Path) -> None:
    graph = calibrated()
    choose(graph, Candidate("percentile", 99.9, 0.1))
    calibration.save_calibration(graph, tmp_path / CHECKPOINTS["calib"], 4, MADE_FROM)
    loaded = prepared()
    calibration.load_calibration(loaded, tmp_path / CHECKPOINTS["calib"], MADE_FROM)
    assert scales.qparams(loaded) == scales.qparams(graph)
    names = {q.observer.choice.label for _, q in quantisers(loaded) if q.fixed is None}
    assert names == {"percentile 99.9"}


SCORED = [
    Scored(Candidate("min_max"), Score(20.126, 0.0075, 0.65)),
    Scored(Candidate("percentile", 99.99, 0.01), Score(30.5, 0.00487, None)),
    Scored(Candidate("mse", averaging=0.1), Score(25.0, 0.003, 0.6512)),
]


def lines() -> list[list[str]]:
    text = io.StringIO()
    Console(width=80, file=text).print(search_table(SCORED))
    return [line.split() for line in text.getvalue().splitlines()]


def test_a_row_each_nearest_to_float_first_and_the_chosen_one_marked() -> None:
    rows = [row for row in lines() if row and row[0] in ("min_max", "percentile", "mse")]
    assert rows == [
        ["percentile", "99.99", "0.01", "30.50", "0.487", "chosen"],
        ["mse", "0.1", "25.00", "0.300", "65.12"],
        ["min_max", "20.13", "0.750", "65.00"],
    ]
