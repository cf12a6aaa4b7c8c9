from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, fx, nn

import qat
from qat.backends.scaled_parameters import channel_scales, learn_in_units
from qat.backends.scales import freeze_scales, quantisers
from qat.backends.trainable import trainable, trainable_quantisers, write_back
from qat.backends.weight_scales import keep_in_float

SHAPE = (2, 3, 16, 24)


class Net(nn.Module):
    """A convolution with and without normalisation, one that stands alone, a transposed one."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.norm = nn.BatchNorm2d(8)
        self.up = nn.ConvTranspose2d(8, 6, 2, 2)
        self.last = nn.Conv2d(6, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(nn.functional.avg_pool2d(self.first(x), 2)))
        return self.last(torch.relu(self.up(y)))


def prepared(model: nn.Module) -> fx.GraphModule:
    graph = qat.prepare(qat.rewrite(model, torch.zeros(SHAPE), "j5"))
    generator = torch.Generator().manual_seed(1)
    qat.calibrate(graph, [torch.randn(SHAPE, generator=generator) for _ in range(3)])
    freeze_scales(graph)
    return graph


@pytest.fixture
def network() -> Net:
    torch.manual_seed(0)
    return Net().eval()


@torch.no_grad()
def rescaled(model: Net) -> Net:
    """The same function with other scales of the channels between the layers."""
    other = copy.deepcopy(model)
    factors = (torch.arange(6) - 3.0).exp2()
    other.up.weight.mul_(factors.view(1, -1, 1, 1))
    other.up.bias.mul_(factors)
    other.last.weight.div_(factors.view(1, -1, 1, 1))
    return other


def steps(model: nn.Module, x: Tensor, count: int = 3) -> Tensor:
    """What the network says, in float, after a few steps towards zero."""
    graph = prepared(model)
    for _, quantiser in quantisers(graph):
        quantiser.keep_bits(32)
    for module in graph.modules():
        if hasattr(module, "weight_scale"):
            keep_in_float(module)
    student = trainable(graph)
    optimizer = torch.optim.Adam(learn_in_units(student), 0.01, eps=1e-30)
    for _ in range(count):
        optimizer.zero_grad()
        student(x).square().mean().backward()
        optimizer.step()
    return student(x).detach()


def test_a_step_doesnt_depend_on_the_channels_scales(network: Net) -> None:
    x, other = torch.randn(SHAPE), rescaled(network)
    torch.testing.assert_close(other(x), network(x))
    ours, theirs = (steps(one, x) for one in (network, other))
    assert (ours - network(x)).abs().max() > 0.01
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_units_change_nothing_by_themselves(network: Net) -> None:
    x, graph = torch.randn(SHAPE), prepared(network)
    student = trainable(graph, learn_scales=True)
    before = student(x)
    assert learn_in_units(student)
    torch.testing.assert_close(student(x), before, rtol=1e-4, atol=1e-5)
    expected = {name: value.clone() for name, value in graph.named_parameters()}
    write_back(student, graph)
    for name, value in graph.named_parameters():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-8, msg=name)


def test_everything_that_learns_is_of_one_size(network: Net) -> None:
    student = trainable(prepared(network), learn_scales=True)
    count = sum(parameter.requires_grad for parameter in student.parameters())
    found = learn_in_units(student)
    assert len(found) == count
    for parameter in found:
        assert not parameter.any() or parameter.detach().square().mean().sqrt().item() == pytest.approx(1, rel=1e-4)


def test_scales_can_learn_faster(network: Net) -> None:
    student = trainable(prepared(network), learn_scales=True)
    before = [quantiser.scale.item() for _, quantiser in trainable_quantisers(student) if quantiser.learns]
    with torch.no_grad():
        for parameter in learn_in_units(student, pace=100.0):
            parameter.add_(0.001)
    after = [quantiser.scale.item() for _, quantiser in trainable_quantisers(student) if quantiser.learns]
    assert after == pytest.approx([scale * 1.1 for scale in before])


def test_what_was_learnt_comes_back(network: Net) -> None:
    x, graph = torch.randn(SHAPE), prepared(network)
    student = trainable(graph, learn_scales=True)
    with torch.no_grad():
        for parameter in learn_in_units(student):
            parameter.mul_(1.03)
    write_back(student, graph)
    torch.testing.assert_close(qat.fake_quantized(graph)(x), student(x))
    scales = {quantiser.scale.item() for _, quantiser in trainable_quantisers(student)}
    assert scales == {quantiser.scale.item() for _, quantiser in quantisers(graph)}


def test_what_doesnt_learn_is_left_alone(network: Net) -> None:
    network.last.requires_grad_(False)
    student = trainable(prepared(network))
    before = dict(student.named_parameters())
    names = {id(parameter) for parameter in learn_in_units(student)}
    assert not any(id(value) in names for name, value in before.items() if name.startswith("last"))
    assert all(value.requires_grad for value in learn_in_units(trainable(prepared(network))))


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (5, 7)], ids=["convolution", "linear"])
def test_scales_are_found(shape: tuple[int, ...]) -> None:
    rows, columns = (torch.randn(count).exp() for count in shape[:2])
    rows, columns = (value / value.log().mean().exp() for value in (rows, columns))
    weight = 3 * rows.view(-1, 1) * columns
    weight = weight.view(*shape[:2], *[1] * (len(shape) - 2)).expand(shape)
    torch.testing.assert_close(channel_scales(weight), (rows, columns))


def test_a_dead_channel_has_a_scale() -> None:
    weight = torch.randn(4, 5, 3, 3)
    weight[1] = 0
    for scales in (*channel_scales(weight), *channel_scales(torch.zeros(4, 5))):
        assert scales.isfinite().all()
        assert (scales > 0).all()
