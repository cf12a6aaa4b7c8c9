"""A program executed on plain integer tensors: what the int8 network is, on any CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from qat.errors import UserError
from qat.graph.ops import op_called
from qat.program.elementwise import Product, Sum, look_up
from qat.program.functions import compute
from qat.program.integers import moves_integers
from qat.program.kernels import Convolution, available
from qat.program.levels import centred, rounded, to_levels, to_real, within
from qat.program.steps import Program, Quant, Step

Run = Callable[[list[Tensor]], Tensor]


class ProgramNetwork(nn.Module):
    """A program as a network: (N, 3, H, W) normalised float32 -> what the network gives, float32.

    Between the steps lie uint8 levels where a step has a grid, float32 elsewhere. Convolutions run in oneDNN's int8
    kernels where this CPU computes them exactly (`exact=True` forbids them), functions of one value as tables of 256
    entries, moves on the integers. Everything else is dequantised, computed in float and rounded: slow, never wrong.
    """

    def __init__(self, program: Program, exact: bool = False) -> None:
        super().__init__()
        self.program, self.exact = program, exact
        self._runs = {step.name: _runner(step, program, exact) for step in program.steps if step.op != "input"}
        self._freed = _last_reads(program)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy or a pickle holds the program; kernels and tables are made again."""
        return ProgramNetwork, (self.program, self.exact)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run every step."""
        outputs: dict[str, Tensor] = {}
        for step, value in self._run(x):
            if step.name in self.program.outputs:
                outputs[step.name] = to_real(value, step.quant) if step.quant else value
        results = tuple(outputs[name] for name in self.program.outputs)
        return results[0] if len(results) == 1 else results

    @torch.no_grad()
    def tensors(self, x: Tensor) -> dict[str, Tensor]:
        """What every step gives of `x`, by name, as the real numbers that its levels stand for."""
        return {step.name: value for step, value in self.each(x)}

    def each(self, x: Tensor, tensors: Mapping[str, Tensor] | None = None) -> Iterator[tuple[Step, Tensor]]:
        """Each step with what it gives, as real numbers; `tensors`, by step, go on instead of what those steps gave."""
        for step, value in self._run(x, tensors):
            yield step, to_real(value, step.quant) if step.quant else value

    def _run(self, x: Tensor, tensors: Mapping[str, Tensor] | None = None) -> Iterator[tuple[Step, Tensor]]:
        """`each`, as levels where a step has a grid; a tensor is freed after its last reader."""
        values: dict[str, Tensor] = {}
        for step in self.program.steps:
            if step.op == "input":
                value = to_levels(x, step.quant) if step.quant else x
            else:
                value = self._computed(step, [values[name] for name in step.inputs])
            yield step, value
            given = None if tensors is None else tensors.get(step.name)
            values[step.name] = value if given is None else _as(step, given.reshape(value.shape))
            for name in self._freed[step.name]:
                del values[name]

    def _computed(self, step: Step, inputs: list[Tensor]) -> Tensor:
        try:
            return self._runs[step.name](inputs)
        except (TypeError, ValueError, RuntimeError, IndexError) as error:
            why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise UserError(f"{step.source}: {step.op} ({step.name}) doesn't run in the program ({why})") from error


def _last_reads(program: Program) -> dict[str, list[str]]:
    """By step, the tensors that no later step reads."""
    last = {name: step.name for step in program.steps for name in step.inputs}
    return {step.name: [name for name in set(step.inputs) if last[name] == step.name] for step in program.steps}


def _as(step: Step, tensor: Tensor) -> Tensor:
    """Real numbers as `step` gives them."""
    return to_levels(tensor, step.quant) if step.quant else tensor


def _runner(step: Step, program: Program, exact: bool) -> Run:
    """How `step` runs, chosen once."""
    quants = [program[name].quant for name in step.inputs]
    first = quants[0] if quants else None
    if step.op == "conv2d" and first and not exact and _is_int8(step) and available(first.high):
        convolution = Convolution(step, first, step.quant)
        return lambda inputs: convolution(inputs[0])
    if step.quant and first and all(quant == step.quant for quant in quants):
        if moves_integers(step):
            return lambda inputs: _moved(step, inputs)
        if op_called(step.op).resampling:
            return lambda inputs: _resampled(step, inputs[0])
    if pair := None if exact else _pair(step, program):
        return pair
    if step.quant and first and len(quants) == 1 and _is_table(step):
        return _Table(step, first)
    return lambda inputs: _reference(step, quants, inputs)


def _is_int8(step: Step) -> bool:
    return step.weight is not None and step.weight.scales is not None and isinstance(step.attributes["padding"], tuple)


def _pair(step: Step, program: Program) -> Sum | Product | None:
    """The sum or product of two tensors of levels, where it is one."""
    quants = [quant for name in step.inputs if (quant := program[name].quant)]
    if not step.quant or len(quants) != 2 or len(step.inputs) != 2:
        return None
    if step.op == "add" and _are_tensors(step, program):
        pair: Sum | Product = Sum(step, *quants)
    elif step.op == "mul":
        pair = Product(step, *quants)
    else:
        return None
    return pair if pair.fits else None


def _are_tensors(step: Step, program: Program) -> bool:
    """Whether a sum's operands are two tensors of levels of one shape."""
    operands = [program[name] for name in step.inputs]
    return len(operands) == 2 and all(one.quant and one.shape == step.shape for one in operands)


def _is_table(step: Step) -> bool:
    operation = op_called(step.op)
    return step.op in ("scale_shift", "quantise") or operation.elementwise


def _reference(step: Step, quants: list[Quant | None], inputs: list[Tensor]) -> Tensor:
    """Dequantise, compute in float, round."""
    real = [to_real(value, quant) if quant else value for value, quant in zip(inputs, quants, strict=True)]
    result = compute(step, real)
    result = result.relu() if step.relu else result
    return to_levels(result, step.quant) if step.quant else result


def _moved(step: Step, levels: list[Tensor]) -> Tensor:
    """Levels in other places: as floats around the zero point, where torch has no function of uint8, or adds zeros."""
    if step.op == "max_pool2d":  # torch refuses pictures above 255 pixels with the channels last
        return compute(step, [levels[0].contiguous()])
    if step.op not in ("pad", "adaptive_max_pool2d"):
        return compute(step, levels)
    assert step.quant is not None
    zero = step.quant.zero_point
    return (compute(step, [levels[0].float() - zero]) + zero).to(torch.uint8)


def _resampled(step: Step, levels: Tensor) -> Tensor:
    """Averages of levels around the zero point, ties to even, as stage calib rounds them."""
    assert step.quant is not None
    zero = step.quant.zero_point
    means = compute(step, [centred(levels, zero)]).round_()
    return within(rounded(means, 1.0, zero), step.quant, step.relu)


class _Table:
    """A function of one value, from each level to a level."""

    def __init__(self, step: Step, source: Quant) -> None:
        levels = torch.arange(256, dtype=torch.uint8)
        self.table = _reference(step, [source], [levels]).numpy()

    def __call__(self, inputs: list[Tensor]) -> Tensor:
        """Look each value up."""
        return look_up(inputs[0], self.table)
