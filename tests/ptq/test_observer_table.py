from __future__ import annotations

import io

from rich.console import Console

from qat.evaluation.distance import Score
from qat.observers.ranges import Candidate
from qat.ptq.observer_search import Scored
from qat.ptq.observer_table import search_table

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
