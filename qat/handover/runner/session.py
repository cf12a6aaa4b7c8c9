"""The networks of a run, each made when a step first asks for it."""

from __future__ import annotations

import copy
import io
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any, Callable

import torch
from torch import Tensor, nn

from . import pictures, plugin, scales
from .mistake import Mistake, called
from .plan import PROBES, Plan, arrays, tensors
from .results import Results, save_arrays
from .training import train

WORK, OUTPUT = "work", "output"  # folders of what a run keeps for itself, and of what it is for
SCRIPT = "int_model.pt"
Say = Callable[[str], None]


class Session:
    """A run of `plan`. `data`: the mounted data set. `say`: takes lines of progress."""

    def __init__(self, plan: Plan, results: Results, options: dict[str, Any], data: Path | None, say: Say) -> None:
        self.plan, self.results, self.options, self.data, self.say = plan, results, options, data, say
        self.work, self.output = plan.folder / WORK, plan.folder / OUTPUT
        self.work.mkdir(exist_ok=True)
        self.output.mkdir(exist_ok=True)

    @cached_property
    def probes(self) -> dict[str, Tensor]:
        """The probes' pictures, and the logits that they gave where the bundle was written."""
        return {name: torch.from_numpy(value) for name, value in arrays(self.plan.folder / PROBES).items()}

    @cached_property
    def probe_input(self) -> Tensor:
        """What the network takes of them."""
        return pictures.to_input(self.plan, self.probes["pictures"].numpy())

    @cached_property
    def network(self) -> nn.Module:
        """Float."""
        return self.plan.network()

    @cached_property
    def calibrated(self) -> nn.Module:
        """In state VALIDATION: calibrated before, or now."""
        model, path = plugin.prepared(self.plan, "calib"), self.work / "calib.npz"
        if "calibrate" in self.results and path.is_file():
            _load(model, path)
        else:
            self._calibrate(model)
            save_arrays(path, _state(model))
        plugin.set_state(model, "VALIDATION")
        return model

    def _calibrate(self, model: nn.Module) -> None:
        total = -(-len(self.plan["calibration"]["pictures"]) // self.plan["calibration"]["batch"])
        plugin.set_state(model, "CALIBRATION")  # nothing calls eval() from here to the last picture
        with torch.no_grad():
            for done, batch in enumerate(pictures.calibration(self.plan, self.data), start=1):
                called(model, batch)
                self.say(f"batch {done} of {total}")
        scales.check_observed(model)
        scales.set_weight_scales(model, self.plan.weight_scales())  # after observation, which would undo it

    @cached_property
    def tuned(self) -> nn.Module:
        """After the plugin's own QAT, in state VALIDATION."""
        model, path = plugin.prepared(self.plan, "qat"), self.work / "qat.npz"
        if "qat" in self.results and path.is_file():
            _load(model, path)
        else:
            model.load_state_dict(self.calibrated.state_dict())
            if self.plan["weight_scales"]:
                self.say("the weights' scales, which a method had set, follow the weights from here on")
            epochs, rate = self.options["qat_epochs"], self.options["qat_lr"]
            train(model, self.network, lambda: pictures.calibration(self.plan, self.data), epochs, rate, self.say)
            save_arrays(path, _state(model))
        plugin.set_state(model, "VALIDATION")
        return model

    @cached_property
    def converted(self) -> nn.Module:
        """The integer network, of normalised pictures."""
        model = copy.deepcopy(self.tuned if self.options["qat_epochs"] else self.calibrated).cpu()
        converted: nn.Module = called(plugin.part("quantization").convert_fx, model)
        return converted.eval()

    @cached_property
    def example(self) -> Tensor:
        """A picture as the board feeds it."""
        return pictures.board_example(self.plan, self.probe_input[:1])

    @cached_property
    def script(self) -> torch.jit.ScriptModule:
        """The board's network, traced before or now."""
        path = self.output / SCRIPT
        if "trace" in self.results and path.is_file():
            before: torch.jit.ScriptModule = torch.jit.load(str(path))
            return before
        board: Any = copy.deepcopy(self.converted)
        if self.plan["input"]["source"] == "pyramid":
            scales.take_yuv(board)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            script: torch.jit.ScriptModule = torch.jit.trace(board, self.example, check_trace=False)
        content = io.BytesIO()  # torch's own writer ends the process where a disk is full
        torch.jit.save(script, content)
        path.write_bytes(content.getvalue())
        with torch.no_grad():
            if not torch.equal(torch.jit.load(str(path))(self.example), script(self.example)):
                raise Mistake(f"{SCRIPT} read back says something else than the network; report this as a bug")
        return script

    def answers(self, model: nn.Module) -> Tensor:
        """The logits of the probes."""
        with torch.no_grad():
            return torch.cat([called(model, picture[None]) for picture in self.probe_input])


def _state(model: nn.Module) -> dict[str, Any]:
    return {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}


def _load(model: nn.Module, path: Path) -> None:
    try:
        model.load_state_dict(tensors(path))
    except RuntimeError as error:
        raise Mistake(f"{path} doesn't fit this plugin's network; begin anew with --again") from error
