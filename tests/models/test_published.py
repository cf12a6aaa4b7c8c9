"""The networks equal the public ones: entries, parameters and outputs on seeded weights and statistics."""

from __future__ import annotations

import pytest
import torch

from qat.models import build_model
from tests.models.published import PUBLISHED, SIZE, Published, fingerprint
from tests.models.seeded import seed_network, seeded_picture


@pytest.mark.parametrize("public", PUBLISHED, ids=lambda row: f"{row.name}-{'train' if row.train else 'predict'}")
def test_a_network_is_the_public_one(public: Published) -> None:
    network = build_model(public.name, public.classes, public.train)
    assert len(network.state_dict()) == public.entries
    assert sum(parameter.numel() for parameter in network.parameters()) == public.parameters
    with torch.inference_mode():
        outputs = seed_network(network)(seeded_picture(*SIZE))
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
    for output, (rms, *others) in zip(outputs, public.outputs, strict=True):
        assert list(fingerprint(output)) == pytest.approx([rms, *others], abs=1e-4 * rms)
