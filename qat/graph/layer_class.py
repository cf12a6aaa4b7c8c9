"""Subclasses of torch's layers: one that computes what torch's does becomes torch's, in the copy."""

from __future__ import annotations

from torch import nn

_CONTAINERS = (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
_HARMLESS = {"__init__", "__repr__", "extra_repr", "reset_parameters", "_get_name"}


def torch_layer(module: nn.Module) -> type[nn.Module] | None:
    """The class of torch that `module`'s own class derives from without a change of what it computes; else None."""
    kinds = type(module).__mro__
    base = next((kind for kind in kinds if kind.__module__.startswith("torch.nn.")), nn.Module)
    if base in _CONTAINERS or base is type(module) or not issubclass(base, nn.Module):
        return None
    own = {name for kind in kinds[: kinds.index(base)] for name, value in vars(kind).items() if _computes(value)}
    return None if own & _names(base) - _HARMLESS else base


def become_torch_layers(model: nn.Module) -> None:
    """Give every module of `model` that `torch_layer` knows the class of torch, which tables and engines look for."""
    for module in model.modules():
        base = torch_layer(module)
        if base is not None:
            module.__class__ = base


def _computes(value: object) -> bool:
    return callable(value) or isinstance(value, property | staticmethod | classmethod)


def _names(base: type[nn.Module]) -> set[str]:
    return {name for kind in base.__mro__ for name in vars(kind)}
