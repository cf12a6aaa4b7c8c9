"""The only file that imports horizon_plugin_pytorch: it lies in the vendor's Docker image, not on a registry.

The plugin has three states, and asserts the module mode that belongs to each; so the mode is always set first.
CALIBRATION puts the fake-quantise modules alone into training mode. A `model.eval()` after it would silently stop their
observation, so nothing but `to_calibration`, `to_validation` and `to_qat` changes a prepared network's mode.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from torch import nn

from qat.errors import UserError
from qat.graph.source import first_line

ROOT = "horizon_plugin_pytorch"
DOCUMENTED = "the documentation of OpenExplorer 1.1.x (plugin 1.8 and 1.9) has it: run in that image"


def why_not() -> str | None:
    """Why the plugin doesn't import here, or None where it does."""
    try:
        importlib.import_module(ROOT)
    except ImportError as error:
        return first_line(error)
    return None


def part(name: str = "") -> Any:
    """The plugin's module `name` (march, quantization, quantization.qconfig, functional); UserError without it."""
    path = f"{ROOT}.{name}" if name else ROOT
    try:
        return importlib.import_module(path)
    except ImportError as error:
        raise UserError(f"{path} doesn't import ({first_line(error)}); run in the vendor's Docker image") from error


def tool(module: str, *names: str) -> Any:
    """The first of `names`, which differ by version, that the plugin's `module` has; UserError where it has none."""
    found = part(module)
    for name in names:
        if hasattr(found, name):
            return getattr(found, name)
    raise UserError(f"{ROOT} {version()} has no {module}.{names[0]}; {DOCUMENTED}")


def version() -> str:
    """The plugin's version, `unknown` where it doesn't say."""
    return str(getattr(part(), "__version__", "unknown"))


def call(function: Callable[..., Any], *args: Any, advice: str, **keywords: Any) -> Any:
    """What `function` of the plugin returns; whatever it raises becomes a UserError that names it and `advice`."""
    try:
        return function(*args, **keywords)
    except UserError:
        raise
    except Exception as error:  # the plugin and its compiler raise what they like
        kind = type(error).__name__
        raise UserError(f"the plugin's {function.__name__} raised {kind}: {first_line(error)}; {advice}") from error


def set_march(name: str) -> None:
    """Tell the plugin which processor to quantise for; before prepare, or accuracy is lost in silence."""
    march, choose = tool("march", "March"), tool("march", "set_march")
    if not hasattr(march, name.upper()):
        raise UserError(
            f"{ROOT} {version()} has no march {name}, which COMPILE.MARCH asks for; use the board's own image"
        )
    choose(getattr(march, name.upper()))


def to_calibration(model: nn.Module) -> None:
    """Let observers run; nothing is rounded."""
    model.eval()
    _set(model, "CALIBRATION")


def to_validation(model: nn.Module) -> None:
    """Round everything, with frozen scales. Needed after load_state_dict, since the flags are in it."""
    model.eval()
    _set(model, "VALIDATION")


def to_qat(model: nn.Module) -> None:
    """Round everything, with scales that follow: fine-tuning."""
    model.train()
    _set(model, "QAT")


def _set(model: nn.Module, state: str) -> None:
    tool("quantization", "set_fake_quantize")(model, getattr(tool("quantization", "FakeQuantState"), state))
