"""The loss of heat maps."""

from __future__ import annotations

import torch

from qat.deploy.heat_maps import points_of
from qat.training.heat_map_loss import gaussians, heat_map_loss
from qat.training.losses import RECIPES, LossConfig

POINTS = torch.tensor([[[40.0, 64.0, 2.0, 9.0], [10.0, 20.0, 0.0, 9.0]]])


def test_what_is_learnt_is_decoded_to_the_points() -> None:
    maps = gaussians(POINTS, (32, 24), (128, 96))
    found = points_of(maps[0].numpy(), (128, 96))
    assert abs(found[:, :2] - POINTS[0, :, :2].numpy()).max() <= 1.0  # a quarter of a cell


def test_points_without_a_label_do_not_count() -> None:
    maps = torch.zeros(1, 2, 32, 24, requires_grad=True)
    loss = RECIPES["heat_maps"]([maps], list(POINTS), None, LossConfig())["loss"]
    loss.backward()
    assert maps.grad is not None
    assert maps.grad[0, 0].abs().max() > 0
    assert not maps.grad[0, 1].any()
    assert float(loss.detach()) == float(heat_map_loss(maps.detach(), POINTS, (128, 96)))


def test_the_mean_is_over_cells_and_points() -> None:
    maps = gaussians(POINTS, (32, 24), (128, 96))
    assert float(heat_map_loss(maps + 0.5, POINTS, (128, 96))) == 0.125  # one of two points
