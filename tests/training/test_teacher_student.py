from __future__ import annotations

import torch
from torch import nn

from qat.graph.trace import trace
from qat.training.teacher_student import TeacherStudent
from tests.training.tiny import SIDE, calibrated, tiny_pair


def test_the_student_is_apart_from_what_it_came_from() -> None:
    pair = tiny_pair(learn_scales=True)
    before = {name: value.clone() for name, value in pair.prepared.state_dict().items()}
    with torch.no_grad():
        for parameter in pair.student.parameters():
            parameter.add_(1)
    assert all(torch.equal(value, before[name]) for name, value in pair.prepared.state_dict().items())
    assert not any(parameter.requires_grad for parameter in pair.teacher.parameters())
    assert [len(network(torch.zeros(2, 3, SIDE, SIDE))) for network in (pair.student, pair.teacher)] == [1, 1]


def test_biases_learn_where_their_weights_do() -> None:
    """Folding batch normalisation makes biases without gradients; rewrites put in weights that must stay."""
    network = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()
    network[3].requires_grad_(False)
    prepared = calibrated(network)
    pair = TeacherStudent.of(prepared, prepared, trace(network, torch.zeros(1, 3, SIDE, SIDE)), False)
    learning = {name.split(".")[0] for name, value in pair.student.named_parameters() if value.requires_grad}
    assert learning == {"0"}
    assert pair.student.get_submodule("0")[0].bias.requires_grad
