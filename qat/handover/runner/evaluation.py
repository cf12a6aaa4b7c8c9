"""mIoU of every network of the run, on a mounted data set; the labels come with the bundle."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn

from . import pictures
from .measures import Distance, classes_at, confusion
from .mistake import Mistake, called
from .plan import arrays
from .session import Session

EVERY = 10  # pictures between lines of progress


class _Score:
    def __init__(self, network: nn.Module, classes: int) -> None:
        self.network, self.distance, self.seconds = network, Distance(), 0.0
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)

    def run(self, x: Tensor) -> Tensor:
        start = time.perf_counter()
        logits: Tensor = called(self.network, x)
        self.seconds += time.perf_counter() - start
        return logits

    def record(self) -> dict[str, Any]:
        return {"confusion": self.counts.tolist(), "seconds": self.seconds, **self.distance.record()}


def evaluate(session: Session) -> dict[str, Any]:
    """Confusion matrices, seconds and distances from float, by stage, and the pictures' names."""
    entries = session.plan["evaluation"]
    if session.data is None or not entries:
        return {"skipped": "no --data FOLDER" if entries else "the bundle has no labels"}
    scores, classes = _scores(session), len(session.plan["classes"])
    with torch.no_grad():
        for done, entry in enumerate(entries, start=1):
            _one(session, scores, entry, classes)
            if done % EVERY == 0 or done == len(entries):
                session.say(f"picture {done} of {len(entries)}")
    return {"pictures": [entry["name"] for entry in entries], "stages": {key: s.record() for key, s in scores.items()}}


def _scores(session: Session) -> dict[str, _Score]:
    classes = len(session.plan["classes"])
    networks = {"float": session.network, "calib": session.calibrated}
    if session.options["qat_epochs"]:
        networks["qat"] = session.tuned
    networks["int_infer"] = session.converted
    return {name: _Score(network, classes) for name, network in networks.items()}


def _one(session: Session, scores: dict[str, _Score], entry: dict[str, Any], count: int) -> None:
    label = torch.from_numpy(arrays(session.plan.folder / entry["label"])["label"])
    picture = pictures.picture_of(session.plan, {"path": entry["path"]}, session.data)
    x = pictures.to_input(session.plan, picture[None])
    reference: tuple[Tensor, Tensor] | None = None  # float's, which comes first
    for score in scores.values():
        logits = score.run(x)
        if not bool(torch.isfinite(logits).all()):
            raise Mistake(f"NaN or infinity in the logits of {entry['name']}; look at the scales")
        classes = classes_at(logits, entry["canvas"], label.shape, session.plan["align_corners"])[0]
        score.counts += confusion(classes, label, count)
        reference = (logits, classes) if reference is None else reference
        score.distance.update(reference[0], logits)
        score.distance.update_classes(reference[1], classes)
