"""Conversion to int8: torch.ao's kernels where they compute what stage calib does, else the program."""

from __future__ import annotations

import copy
import io
from contextlib import redirect_stderr
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx, nn

from qat.backends.scales import keep_spec, quantisers, shape_of_pictures, spec_of
from qat.engine import AUTO, PROGRAM, choose_engine
from qat.errors import UserError
from qat.program.calibrated import CalibratedNetwork
from qat.program.departures import compare_converted, compare_program, first_departure

TORCH_AO = "torch.ao"


@dataclass(frozen=True)
class Kernels:
    """What computes the int8 network. `name`: torch.ao or program; `reason`: why."""

    name: str
    reason: str

    def __str__(self) -> str:
        """The line that tools print."""
        return f"int8 by {self.name}: {self.reason}"


def convert(calibrated: fx.GraphModule, engine: str | None = None, picture: Tensor | None = None) -> nn.Module:
    """The int8 network on this CPU, each layer held against what `fake_quantized` computes of the same inputs.

    torch.ao's engine becomes torch's current one and stays it: qnnpack's kernels look at it whenever they run.

    Args:
        calibrated: what `prepare` gave, calibrated; it stays as it is.
        engine: auto (torch.ao's kernels where every layer agrees, else the program), program, or the name of torch.ao's
            engine that has to run; by default the spec's.
        picture: normalised (1, 3, H, W), of the size that the graph was rewritten for, on which layers are compared; by
            default noise that fills the input's grid.

    Returns:
        A network for the CPU that takes and gives float32 as `calibrated` does: torch.ao's graph, or a ProgramNetwork.

    Raises:
        UserError: where a layer departs (with engine auto: of the program), for an engine that this torch lacks, and
            where an activation was never seen.

    Example:
        >>> import torch, qat
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1)).eval()
        >>> picture = torch.randn(1, 3, 16, 16)
        >>> prepared = qat.prepare(qat.rewrite(model, picture, "x86"))
        >>> _ = qat.calibrate(prepared, [picture])
        >>> int8 = qat.convert(prepared)
        >>> bool((int8(picture) - qat.fake_quantized(prepared)(picture)).abs().max() < 0.05)
        True
        >>> bool((qat.convert(prepared, engine="program")(picture) - int8(picture)).abs().max() < 0.05)
        True
    """
    if engine not in (None, spec_of(calibrated).engine):
        calibrated = copy.deepcopy(calibrated)
        keep_spec(calibrated, replace(spec_of(calibrated), engine=engine))
    network = CalibratedNetwork(calibrated, _noise(calibrated) if picture is None else picture)
    return int8_network(network, choose_kernels(network, network.example))


def int8_network(network: CalibratedNetwork, kernels: Kernels) -> nn.Module:
    """The int8 network by these kernels."""
    return network.runs if kernels.name == PROGRAM else network.converted


def choose_kernels(network: CalibratedNetwork, picture: Tensor) -> Kernels:
    """The kernels that the spec's engine names, or auto chooses; every layer is compared on `picture`.

    Raises UserError, with layer and source line, where what has to run departs from stage calib.
    """
    engine = spec_of(network.prepared).engine
    if engine == PROGRAM:
        return _program(network, picture, "QUANT.ENGINE names it")
    name, fault = choose_engine(engine).name, _fault(network, picture)
    if not fault:
        return Kernels(TORCH_AO, f"engine {name} computes every layer as stage calib does")
    if engine != AUTO:
        raise UserError(f"torch.ao's engine {name} {fault}; set QUANT.ENGINE auto or program")
    return _program(network, picture, f"torch.ao's engine {name} {fault}")


def _program(network: CalibratedNetwork, picture: Tensor, reason: str) -> Kernels:
    departure = first_departure(compare_program(network, picture))
    if departure is not None:
        advice = "keep the layer's output in float (QUANT.HIGH_PRECISION), and please report this network"
        raise UserError(f"the program departs: {departure}; {advice}")
    return Kernels(PROGRAM, reason)


def _fault(network: CalibratedNetwork, picture: Tensor) -> str:
    """What is wrong with torch.ao's kernels; "" where every layer agrees."""
    try:
        with redirect_stderr(io.StringIO()):  # where torch.fx prints the traceback of an error that is caught here
            departure = first_departure(compare_converted(network, picture))
    except UserError:
        raise
    except Exception as error:  # torch raises whatever it likes, asserts too
        lines = str(error).strip().splitlines() or [""]
        return f"can't run this network ({type(error).__name__}: {lines[0]})"
    return f"departs: {departure}" if departure else ""


def _noise(calibrated: fx.GraphModule) -> Tensor:
    """A picture that fills the input's grid, three deviations to each side of its middle."""
    noise = torch.randn(shape_of_pictures(calibrated), generator=torch.Generator().manual_seed(0))
    source = next(iter(calibrated.graph.nodes))
    for node, quantiser in quantisers(calibrated):
        if source in node.all_input_nodes:
            quantiser.freeze()
            low, high = (
                (level - int(quantiser.zero_point)) * float(quantiser.scale)
                for level in (quantiser.quant_min, quantiser.quant_max)
            )
            return noise * ((high - low) / 6) + (high + low) / 2
    return noise
