from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import qat
from qat.evaluation.distance import divergence
from qat.graph.nodes import op_name
from qat.graph.trace import trace
from qat.training.distillation import TeacherStudent, boundary_attention, distillation, give_boundary
from tests.training.tiny import SIDE, calibrated, tiny_pair

SHAPE = (1, 3, 64, 128)


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


@pytest.fixture(scope="module")
def pidnet() -> nn.Module:
    torch.manual_seed(0)
    return qat.build_model("pidnet_s", 4).eval()


def test_pidnet_gives_what_its_fusion_reads(pidnet: nn.Module) -> None:
    seen: list[torch.Tensor] = []
    hook = pidnet.get_submodule("dfm").register_forward_pre_hook(lambda module, inputs: seen.append(inputs[2]))
    x = torch.randn(SHAPE)
    logits = pidnet(x)
    hook.remove()
    graph = trace(pidnet, x)
    assert give_boundary(graph)
    ours = graph(x)
    torch.testing.assert_close(ours[0], logits, rtol=0, atol=0)
    torch.testing.assert_close(ours[1], seen[0].sigmoid(), rtol=0, atol=0)


def test_the_calibrated_graph_gives_the_same_tensor(pidnet: nn.Module) -> None:
    x = torch.randn(SHAPE)
    floats = trace(pidnet, x)
    prepared = qat.prepare(qat.rewrite(pidnet, x, "x86"))
    assert give_boundary(prepared)
    assert give_boundary(floats)
    torch.testing.assert_close(prepared(x)[1], floats(x)[1], rtol=0, atol=1e-4)


def test_another_network_has_only_logits() -> None:
    graph = trace(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Sigmoid()), torch.zeros(SHAPE))
    assert not give_boundary(graph)
    assert boundary_attention(graph) is None
    assert [tuple(value.shape) for value in graph(torch.zeros(SHAPE))] == [(1, 2, 64, 128)]
    assert "sigmoid" in {op_name(node) for node in graph.graph.nodes}


def test_divergence_is_the_mean_over_pixels_in_nats() -> None:
    theirs = torch.tensor([0.75, 0.25]).log().view(1, 2, 1, 1).expand(2, 2, 3, 5)
    ours = torch.zeros(2, 2, 3, 5)
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(divergence(ours, theirs)) == pytest.approx(expected)
    assert float(divergence(theirs + 7, theirs)) == pytest.approx(0, abs=1e-6)


def test_parts_are_there_as_far_as_outputs_are() -> None:
    logits, boundary = torch.randn(2, 3, 4, 4), torch.rand(2, 5, 4, 4)
    assert distillation([logits], [logits]).keys() == {"logits"}
    parts = distillation([logits, boundary], [logits, boundary + 0.5], boundary=True)
    assert parts.keys() == {"logits", "boundary"}
    assert float(parts["boundary"]) == pytest.approx(0.25)
