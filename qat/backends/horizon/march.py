"""Horizon's processors: one row each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MarchRow:
    """A processor, in `boards`. `name`: COMPILE.MARCH, and in capitals the plugin's March. `text`: as tools take it.

    `source`: the public document that names it, and what it leaves open.
    """

    name: str
    text: str
    boards: str
    source: str


ROWS = (
    MarchRow("bayes", "bayes", "J5, RDK Ultra", "HorizonRDK/rdk_x3_doc, expert/quick_start.md"),
    MarchRow(
        "bayes_e",
        "bayes-e",
        "RDK X5",
        "D-Robotics/oe-skills-x5: the same order of calls; operator limits aren't published, bayes' are assumed; "
        "its runtime's main path is hb_mapper's .bin",
    ),
)
MARCHES = tuple(row.name for row in ROWS)
NASH = (
    "nash (J6, S100) has another API: prepare(model, example_inputs, qconfig_setter) and the compiler hbdk4 "
    "(D-Robotics/oe-skills-s), which would need a backend of its own"
)


def march_of(name: str) -> MarchRow:
    """The row of COMPILE.MARCH.

    >>> march_of("bayes_e").text
    'bayes-e'
    """
    return next(row for row in ROWS if row.name == name)
