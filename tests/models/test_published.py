"""The networks equal the public ones: entries, parameters and outputs on seeded weights and statistics."""

from __future__ import annotations

import pytest
import torch

from qat.models import NAMES, build_model
from tests.models.published import PUBLISHED, SIZE, Published, fingerprint
from tests.models.seeded import seed_network, seeded_picture


def of_row(row: Published) -> str:
    return f"{row.name}-{'train' if row.train else 'predict'}"


@pytest.mark.parametrize("public", PUBLISHED, ids=of_row)
def test_a_network_has_the_public_ones_entries(public: Published) -> None:
    with torch.device("meta"):
        network = build_model(public.name, public.classes, "train" if public.train else "eval")
    assert len(network.state_dict()) == public.entries
    assert sum(parameter.numel() for parameter in network.parameters()) == public.parameters


@pytest.mark.parametrize("public", [row for row in PUBLISHED if row.outputs], ids=of_row)
def test_a_network_gives_the_public_ones_outputs(public: Published) -> None:
    network = build_model(public.name, public.classes, "train" if public.train else "eval")
    with torch.inference_mode():
        outputs = seed_network(network)(seeded_picture(*SIZE))
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
    for output, (rms, *others) in zip(outputs, public.outputs, strict=True):
        assert list(fingerprint(output)) == pytest.approx([rms, *others], abs=1e-4 * rms)


def test_every_network_is_held_against_its_source() -> None:
    assert {row.name for row in PUBLISHED} == {name for name in NAMES if not name.startswith("pidnet")}
