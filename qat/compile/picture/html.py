"""The network as a page: the picture with pan, zoom, search and every step's facts beside it."""

from __future__ import annotations

from markupsafe import Markup

from qat.compile.picture.facts import facts_of
from qat.compile.picture.links import readers_of
from qat.compile.picture.svg import Errors, svg_of
from qat.html import templates
from qat.program.steps import Program


def html_of(program: Program, title: str, errors: Errors | None = None) -> str:
    """One self-contained page. `#node-<name>` after its address selects a step."""
    readers = readers_of(program)
    steps = {
        step.name: {
            "facts": facts_of(step, program, (errors or {}).get(step.name)),
            "inputs": list(dict.fromkeys(step.inputs)),
            "readers": readers[step.name],
        }
        for step in program.steps
    }
    picture = Markup(svg_of(program, title, errors))
    return (
        templates("qat.compile.picture").get_template("graph.html.j2").render(title=title, picture=picture, steps=steps)
    )
