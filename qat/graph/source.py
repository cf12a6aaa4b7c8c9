"""Where in the user's model a node, or a mistake, comes from."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import CodeType
from typing import Any

import torch
from torch.fx import Node

_OURS = (
    os.path.dirname(torch.__file__),
    os.path.dirname(__file__),
    os.path.join(os.path.dirname(os.path.dirname(__file__)), "models", "onnx"),  # its nodes have places of their own
)
_FRAME = re.compile(r'File "(.+?)", line (\d+)')


def source_of(node: Node) -> str:
    """`file:line` of the model's source that made `node`, relative to the working folder; '' if it isn't known."""
    frames = [frame for frame in _FRAME.findall(node.stack_trace or "") if is_users(frame[0])]
    return location(*frames[-1]) if frames else ""


def users_frame(outermost: CodeType) -> str | None:
    """The innermost running frame that is the user's and was called under `outermost`, as a traceback prints it."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code is not outermost:
        if is_users(frame.f_code.co_filename):
            return entry(frame.f_code, frame.f_lineno)
        frame = frame.f_back
    return None


def entry(code: CodeType, line: int | None = None) -> str:
    """A traceback's line for a function, at its `def` if no line is given."""
    return f'File "{code.co_filename}", line {line or code.co_firstlineno}, in {code.co_name}'


def is_users(filename: str) -> bool:
    """Whether `filename` is neither torch's, nor this package's, nor generated code."""
    return not filename.startswith(("<", *_OURS))


def location(filename: str, line: int | str) -> str:
    """`file:line`, relative to the working folder where the file lies in it."""
    path = Path(filename)
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}"


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its type where it has none."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
