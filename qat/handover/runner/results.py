"""results.json: what each step found, kept after every step, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Mapping

import numpy as np

from .mistake import Mistake, first_line
from .plan import ANSWERS, FORMAT, RESULTS, arrays


class Results:
    """The steps that are done, in `folder`; `identity` says of which plan, weights, versions and options."""

    def __init__(self, folder: Path, identity: Mapping[str, Any], again: bool) -> None:
        self.folder, self.path = folder, folder / RESULTS
        self.values: dict[str, Any] = {"format": FORMAT, **identity, "steps": {}}
        if self.path.is_file() and not again:
            self._go_on(identity)

    def _go_on(self, identity: Mapping[str, Any]) -> None:
        try:
            before = json.loads(self.path.read_text(encoding="utf-8"))
            differing = [key for key in ("format", *identity) if before[key] != self.values[key]]
            before["steps"].items()
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise Mistake(f"{self.path} is damaged ({first_line(error)}); begin anew with --again") from error
        if differing:
            name = differing[0]
            raise Mistake(
                f"{self.path} is of another run: {name} was {before[name]} and is {self.values[name]}; "
                "keep it elsewhere and begin anew with --again"
            )
        self.values = before

    def __contains__(self, step: str) -> bool:
        """Whether a step is done."""
        return step in self.values["steps"]

    def keep(self, step: str, record: Mapping[str, Any]) -> None:
        """Write a finished step."""
        self.values["steps"][step] = dict(record)
        aside = self.path.with_name(f".{RESULTS}.part")
        aside.write_text(json.dumps(self.values, indent=2) + "\n", encoding="utf-8")
        os.replace(str(aside), str(self.path))

    def keep_answers(self, name: str, logits: Any) -> None:
        """Write the probes' logits (N, classes, h, w) of a stage into results.npz."""
        path = self.folder / ANSWERS
        save_arrays(path, {**(arrays(path) if path.is_file() else {}), name: logits})


def save_arrays(path: Path, values: Mapping[str, Any]) -> None:
    """Write an .npz file whole or not at all."""
    aside = path.with_name(f".{path.name}.part")
    with open(str(aside), "wb") as file:
        np.savez(file, **values)
    os.replace(str(aside), str(path))
