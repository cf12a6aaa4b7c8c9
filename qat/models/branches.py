"""Which part of a network its modules belong to, so that a picture can show the parts side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Branch:
    """A part of a network: a short name, what it is for, and the attributes of the network that belong to it.

    `joins`: it takes what the others give, so it stands below them instead of beside them.
    """

    name: str
    title: str
    attributes: tuple[str, ...]
    joins: bool = False


BRANCHES: dict[str, tuple[Branch, ...]] = {
    "pidnet": (
        Branch("P", "detail", ("compression3", "compression4", "pag3", "pag4", "layer3_", "layer4_", "layer5_")),
        Branch("I", "context", ("conv1", "layer1", "layer2", "layer3", "layer4", "layer5", "spp")),
        Branch("D", "boundary", ("layer3_d", "layer4_d", "layer5_d", "diff3", "diff4")),
        Branch("Fusion", "P + I + D", ("dfm",), joins=True),
        Branch("Head", "logits", ("final_layer",), joins=True),
    )
}
"""Network -> its branches in the order in which its paper draws them; the attributes are those of `qat.models`."""


def branches_of(modules: Iterable[str]) -> tuple[Branch, ...]:
    """The branches of the network whose every branch has one of `modules` (dotted paths); () if there is none.

    >>> [branch.name for branch in branches_of(["conv1.0", "pag3", "diff3.0", "dfm.conv_p.0", "final_layer.conv1"])]
    ['P', 'I', 'D', 'Fusion', 'Head']
    >>> branches_of(["features.0"])
    ()
    """
    present = {module.split(".")[0] for module in modules}
    known = (branches for branches in BRANCHES.values() if all(present & set(part.attributes) for part in branches))
    return next(known, ())
