"""A network of the user's own: MODEL.NAME package.module:function, path/net.py:function or path/net.onnx."""

from __future__ import annotations

import importlib
import inspect
import linecache
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from qat.errors import UserError, nearest, quoted, reason

_MODULE = "qat_user_network"  # how Python knows a file that MODEL.NAME names


def names_own(name: str) -> bool:
    """Whether MODEL.NAME names code or a file, not a registered network.

    >>> [names_own(name) for name in ("nets/mine.py:build", "mine.onnx", "pidnet_s")]
    [True, True, False]
    """
    return ":" in name or names_onnx(name)


def names_onnx(name: str) -> bool:
    """Whether MODEL.NAME names an ONNX file."""
    return name.lower().endswith(".onnx")


def short_name(name: str) -> str:
    """The network's name in folders and tables: the function's, the file's, or a registered network's own.

    >>> [short_name(name) for name in ("nets/mine.py:build", "nets/mine.onnx", "pidnet_s")]
    ['build', 'mine', 'pidnet_s']
    """
    own = Path(name).stem if names_onnx(name) else name.rpartition(":")[2]
    return re.sub(r"\W", "_", own, flags=re.ASCII) or "network"


@dataclass(frozen=True)
class UserNetwork:
    """A network by the code or the file that makes it. `name`: MODEL.NAME; `kwargs`: what its function is called with.

    `output`: which of its outputs is the logits, an index, a key or an attribute's name; None where it has one.
    `task`: what it is for, a row of `own_tasks`.
    """

    name: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    output: int | str | None = None
    task: str = "segmentation"

    def build(self) -> nn.Module:
        """Calls the function, with torch's random numbers seeded; UserError where that gives no network."""
        if names_onnx(self.name):
            return self._read()
        with _working_directory_last(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            function = find_function(self.name)
            network = call(f"MODEL.NAME {self.name}: calling it", lambda: function(**self.kwargs))
        if not isinstance(network, nn.Module):
            raise UserError(f"MODEL.NAME {self.name} gives {type(network).__name__}; expected a torch.nn.Module")
        if isinstance(network, torch.jit.ScriptModule) or hasattr(network, "_orig_mod"):
            raise UserError(
                f"MODEL.NAME {self.name} gives {type(network).__name__}, whose forward torch.fx can't read; "
                "return the module itself, without torch.jit and torch.compile"
            )
        _check_types(self.name, network)
        return network

    def _read(self) -> nn.Module:
        if self.kwargs:
            raise UserError(f"MODEL.KWARGS is {dict(self.kwargs)} and MODEL.NAME {self.name} is a file; leave it out")
        from qat.models.onnx import read_network  # onnx is imported where a file is one

        return read_network(self.name)

    @property
    def source(self) -> str:
        """The file that MODEL.NAME names: its text, or its time and size; "" for a module, which Python reads once."""
        if names_onnx(self.name):
            path = Path(self.name).expanduser()
            return f"{path.stat().st_mtime_ns} {path.stat().st_size}" if path.is_file() else ""
        place = self.name.rpartition(":")[0]
        return _read(self.name, place) if place.endswith(".py") else ""


@contextmanager
def _working_directory_last() -> Iterator[None]:
    """Modules are found in the working directory too, after everything else; sys.path is then what it was."""
    before = list(sys.path)
    sys.path.append(os.getcwd())
    try:
        yield
    finally:
        sys.path[:] = before


def find_function(name: str) -> Callable[..., Any]:
    """Returns the function or class that MODEL.NAME names; UserError if there is none."""
    place, _, wanted = name.rpartition(":")
    module = _load_file(name, place) if place.endswith(".py") else _load_module(name, place)
    found = getattr(module, wanted, None) if wanted else None
    if not callable(found):
        own = [key for key, value in vars(module).items() if _is_own(value, module)]
        advice = nearest(wanted, own) if own else "it defines no function or class"
        raise UserError(f"MODEL.NAME {name}: {place} has no function {wanted or '(empty)'}; {advice}")
    function: Callable[..., Any] = found
    return function


def _is_own(value: Any, module: ModuleType) -> bool:
    return (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == module.__name__


def _load_file(name: str, place: str) -> ModuleType:
    """Runs the file as it is now; Python's cache could hold an older one."""
    path = Path(place).expanduser().resolve()
    text, module = _read(name, place), ModuleType(_MODULE)
    module.__file__ = str(path)
    linecache.checkcache(str(path))
    sys.modules[_MODULE] = module  # dataclasses look their own module up
    call(f"MODEL.NAME {name}: importing it", lambda: exec(compile(text, str(path), "exec"), vars(module)))
    return module


def _read(name: str, place: str) -> str:
    try:
        return Path(place).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"MODEL.NAME {name}: {place} can't be read; expected path/net.py:function") from error


def _load_module(name: str, place: str) -> ModuleType:
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", place):
        raise UserError(f"MODEL.NAME {name}; expected package.module:function or path/net.py:function")
    module: ModuleType = call(f"MODEL.NAME {name}: importing it", lambda: importlib.import_module(place))
    return module


def call(doing: str, action: Callable[[], Any]) -> Any:
    """Runs the user's code; its error is one line with the place where it was raised."""
    try:
        return action()
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # a script may exit when it is imported
        text = quoted(reason(str(error)))
        raise UserError(f"{doing} fails{_place(error)}: {type(error).__name__}{text and f': {text}'}") from error


def _place(error: BaseException) -> str:
    """Returns " at file:line" of the user's code; "" where none of it ran."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" at {_shown(error.filename)}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own_file(frame.filename)]
    return f" at {_shown(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def _is_own_file(filename: str) -> bool:
    """Whether the file is neither Python's, nor torch's, nor of this package, nor generated."""
    ours = ("<", os.path.dirname(__file__), os.path.dirname(torch.__file__))
    standard = filename.startswith(sysconfig.get_path("stdlib")) and "site-packages" not in filename
    return not filename.startswith(ours) and not standard


def _shown(filename: str) -> str:
    """The path, relative to the working directory where the file lies in it."""
    path = Path(filename)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _check_types(name: str, network: nn.Module) -> None:
    for key, parameter in network.named_parameters():
        if parameter.is_floating_point() and parameter.dtype != torch.float32:
            kind = str(parameter.dtype).removeprefix("torch.")
            raise UserError(f"MODEL.NAME {name} has {key} in {kind}; return it in float32, such as network.float()")
