"""The plugin as a `Backend`: march, stubs, qconfigs, states, convert and trace in the documented order."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from qat.backends import fx as fx_backend
from qat.backends.bn_folding import folded, layers, take_tensors
from qat.backends.horizon import inputs, profiler, scales
from qat.backends.horizon.plugin import call, set_march, to_calibration, to_validation, tool
from qat.backends.horizon.qconfig import qconfig_dict
from qat.backends.protocol import LayerSimilarity, Prepared
from qat.backends.spec import QuantSpec, float_output_modules
from qat.errors import UserError
from qat.graph import Rewritten
from qat.invocation import command


@dataclass(frozen=True)
class Options:
    """The device's input. `mean`, `std`: of RGB / 255, as in training. `input_source`: ddr or pyramid.

    `batches`: of calibration.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    march: str = "bayes"
    input_source: str = "ddr"
    batches: int = 64


class HorizonBackend:
    """See `Backend` for what each function does; the numbers are the plugin's."""

    name = "horizon"
    inspects = True
    runs_here = (".pt",)  # where the plugin is imported

    def __init__(self, options: Options) -> None:
        self.options = options

    @property
    def takes_over(self) -> HorizonBackend:
        """Methods and training run on backend fx, whose symmetric grid is J5's."""
        return self

    @property
    def board(self) -> HorizonBackend:
        """J5."""
        return self

    def prepare(self, rewritten: Rewritten, spec: QuantSpec) -> nn.Module:
        """Set the march, fold normalisation in a copy (the plugin's result shares attributes), add stubs, observers."""
        tail = float_output_modules(rewritten.module)
        settings = qconfig_dict(spec, tail, self.options.batches)
        fused = self._fused(rewritten, spec.allow_float)  # the plugin takes a GraphModule for a fused one
        prepared = call(tool("quantization", "prepare_qat_fx"), fused, settings, advice=_advice())
        return self._from_normalised(prepared)

    def _fused(self, rewritten: Rewritten, allow_float: bool = True) -> nn.Module:
        set_march(self.options.march)
        # Folded beforehand, so that what backend fx tunes has the same layers.
        graph = folded(rewritten, fx_backend.prepare(rewritten, QuantSpec(allow_float=allow_float))).module.eval()
        self._put_inputs(graph, rewritten.shapes)
        fused: nn.Module = call(tool("quantization", "fuse_fx"), graph, advice=_advice())
        return fused

    def _put_inputs(self, graph: fx.GraphModule, shapes: tuple[tuple[int, ...], ...]) -> None:
        if not self._pyramid:
            inputs.put_stubs(graph, None)
            return
        wrong = [shape for shape in shapes if shape[1] != 3]
        if wrong:
            raise UserError(
                f"COMPILE.INPUT_SOURCE pyramid gives pictures and an input has shape {wrong[0]}; choose ddr"
            )
        for stub in inputs.put_stubs(graph, inputs.PYRAMID_SCALE):
            inputs.normalise_behind(graph, stub, self.options.mean, self.options.std)

    def take_weights(self, prepared: Prepared, tuned: fx.GraphModule) -> None:
        """Copy weights, biases and free-standing normalisation from backend fx's graph of the same network."""
        ours = dict(self._network(prepared).named_modules())
        for name, core in layers(tuned):
            if name not in ours:
                raise UserError(
                    f"the plugin's network has no layer {name}, whose weights backend fx tuned; report this"
                )
            take_tensors(ours[name], core)

    def take_weight_scales(self, prepared: Prepared, tuned: fx.GraphModule) -> None:
        """Let weights be rounded by the scales that `tuned` rounds them by; after observation, which would undo it."""
        network = self._network(prepared)
        for name, core in layers(tuned):
            if hasattr(core, "weight_scale"):
                scales.set_weight_scale(network, name, cast(Tensor, core.weight_scale))

    def observe(self, prepared: Prepared) -> None:
        """Put the network into state CALIBRATION."""
        to_calibration(_module(prepared))

    def fake_quantized(self, prepared: Prepared) -> nn.Module:
        """A copy in state VALIDATION."""
        model = copy.deepcopy(_module(prepared))
        to_validation(model)
        return model

    def convert(self, prepared: Prepared) -> nn.Module:
        """The plugin's integer network."""
        model = self.fake_quantized(prepared).cpu()
        network = self._network(model)
        advice = f"run {command('calib')} again, and see what {command('check', target='j5')} says"
        converted = call(tool("quantization", "convert_fx"), network, advice=advice)
        return self._from_normalised(converted.eval())

    def to_torchscript(self, model: nn.Module, example: Tensor) -> torch.jit.ScriptModule:
        """Traced on the CPU, not frozen: the compiler reads the plugin's operations."""
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced: torch.jit.ScriptModule = torch.jit.trace(model.cpu(), example.cpu(), check_trace=False)
            return traced

    def for_device(self, prepared: Prepared) -> fx.GraphModule:
        """The integer network as the board feeds it: normalised RGB for ddr, centred YUV444 for pyramid."""
        converted = self.convert(prepared)
        if not self._pyramid:
            return cast(fx.GraphModule, converted)
        network = cast(fx.GraphModule, converted.network)
        inputs.take_yuv(network)
        return network

    def dead_observers(self, prepared: Prepared) -> list[tuple[str, str]]:
        """Activations whose scale calibration left unset; UserError where that is all of them."""
        scale_of = scales.activation_scales(_module(prepared))
        if not set(scale_of.values()) - {scales.UNSET, inputs.PYRAMID_SCALE}:
            raise UserError("the plugin observed nothing: was the network's mode changed after CALIBRATION?")
        return scales.dead(scale_of)

    def qparams(self, prepared: Prepared) -> dict[str, dict[str, Any]]:
        """Symmetric int8, zero point 0."""
        return scales.rows(scales.activation_scales(_module(prepared)))

    def inspect(self, rewritten: Rewritten, prepared: Prepared, example: Tensor, folder: Path) -> list[str]:
        """What the plugin's profiler says, see `profiler.inspect`; `example` (N, 3, H, W) normalised."""
        return profiler.inspect(self._fused(rewritten), self._network(prepared), _as_taken(prepared, example), folder)

    def compare(
        self, rewritten: Rewritten, prepared: Prepared, example: Tensor, folder: Path
    ) -> tuple[list[str], list[LayerSimilarity]]:
        """What the plugin's profiler says of float, calib and int_infer beside one another."""
        floating, calib = self._fused(rewritten), self.fake_quantized(prepared)
        known = floating.state_dict().keys()
        weights = {name: value for name, value in self._network(calib).state_dict().items() if name in known}
        floating.load_state_dict(weights, strict=False)  # what was tuned, so that rounding alone differs
        stages = profiler.Stages(floating, self._network(calib), self._network(self.convert(prepared)))
        return profiler.compare(stages, _as_taken(prepared, example), folder)

    def _network(self, prepared: Prepared) -> fx.GraphModule:
        module = _module(prepared)
        return cast(fx.GraphModule, module.network if self._pyramid else module)

    @property
    def _pyramid(self) -> bool:
        return self.options.input_source == "pyramid"

    def _from_normalised(self, network: nn.Module) -> nn.Module:
        return inputs.Centred(network, self.options.mean, self.options.std) if self._pyramid else network


def _module(prepared: Prepared) -> nn.Module:
    """What `prepare` gave."""
    return cast(nn.Module, prepared)


def _as_taken(prepared: Prepared, example: Tensor) -> Tensor:
    """A normalised picture as the plugin's own network takes it."""
    return prepared.centre(example) if isinstance(prepared, inputs.Centred) else example


def _advice() -> str:
    return f"see what {command('check', target='j5')} says after the rewrites"
