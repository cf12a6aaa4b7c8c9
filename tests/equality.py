"""How far a network of the registry is from a public module: keys, shapes, outputs on seeded weights and statistics.

`python tests/equality.py NAME --against path/net.py:function` prints the largest difference of each output. The
function takes nothing and returns the public module in the form to compare; the reader writes it, beside the public
code, which is no part of this project.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qat.errors import UserError
from qat.models import NAMES, UserNetwork, build_model
from qat.models.checkpoint import differences
from tests.models.published import SIZE, Published, fingerprint
from tests.models.seeded import seed_network, seeded_picture

TOLERANCE = 1e-4  # of an output's largest value


def tensors_of(outputs: Any) -> Iterator[Tensor]:
    """The tensors of a network's outputs, in order."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        yield from tensors_of(list(outputs.values()))
    elif isinstance(outputs, Sequence):
        for part in outputs:
            yield from tensors_of(part)


def compare(ours: nn.Module, theirs: nn.Module, picture: Tensor) -> tuple[list[str], bool]:
    """Returns lines to print, and whether the two are equal to float rounding."""
    problems = sorted(differences(theirs.state_dict(), ours.state_dict()))
    if problems:
        return problems, False
    count = sum(parameter.numel() for parameter in ours.parameters())
    lines = [f"{len(ours.state_dict())} keys, {count:,} parameters: the same names and shapes"]
    seed_network(ours)
    seed_network(theirs)
    with torch.inference_mode():
        pairs = [list(tensors_of(network(picture))) for network in (ours, theirs)]
    if [x.shape for x in pairs[0]] != [x.shape for x in pairs[1]]:
        return [*lines, *(f"outputs {[tuple(x.shape) for x in one]}" for one in pairs)], False
    return lines, _differ(lines, *pairs)


def _differ(lines: list[str], ours: list[Tensor], theirs: list[Tensor]) -> bool:
    """Adds a line for each output; returns whether all are equal to float rounding."""
    equal = True
    for index, (own, public) in enumerate(zip(ours, theirs, strict=True)):
        difference, largest = float((own - public).abs().max()), float(public.abs().max())
        lines.append(f"output {index} {tuple(own.shape)}: largest difference {difference:.3g}, values to {largest:.3g}")
        equal &= difference <= TOLERANCE * largest
    return equal


def row(name: str, train: bool, classes: int, theirs: nn.Module) -> Published:
    """The row of tests/models/published.py that the public network gives."""
    with torch.inference_mode():
        outputs = list(tensors_of(seed_network(theirs)(seeded_picture(*SIZE))))
    count = sum(parameter.numel() for parameter in theirs.parameters())
    return Published(name, train, len(theirs.state_dict()), count, tuple(map(fingerprint, outputs)), classes)


def main() -> int:
    """Prints the comparison; returns 1 where the two differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--against", required=True, metavar="PATH.py:FUNCTION")
    parser.add_argument("--classes", type=int, default=19)
    parser.add_argument("--size", default="128x96", metavar="WIDTHxHEIGHT")
    parser.add_argument("--train-form", action="store_true", help="with the auxiliary heads")
    parser.add_argument("--row", action="store_true", help="print the public network's row for tests/models")
    options = parser.parse_args()
    if options.row:
        print(row(options.name, options.train_form, options.classes, UserNetwork(options.against).build()))
        return 0
    width, height = map(int, options.size.split("x"))
    ours = build_model(options.name, options.classes, "train" if options.train_form else "eval")
    lines, equal = compare(ours, UserNetwork(options.against).build(), seeded_picture(height, width, batch=2))
    print("\n".join(lines))
    return 0 if equal else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error}")
