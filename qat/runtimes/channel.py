"""Objects to and from a child process by its stdin and stdout, on every system; what its code prints goes to stderr."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any

_PACKAGE = Path(__file__).resolve().parents[1]
_START = """
import importlib.util, json, sys
package, sys.path[:] = json.loads(sys.argv[1])
spec = importlib.util.spec_from_file_location("qat", package + "/__init__.py", submodule_search_locations=[package])
sys.modules["qat"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["qat"])
from {module} import {function}
{function}()
"""  # this very package, wherever its folder stands on the path
_END = object()
_LENGTH = struct.Struct("<Q")


def child_path() -> list[str]:
    """Returns this process's module path for a child: never the working directory before what is installed.

    A `numpy.py` that lies there would be run.
    """
    last = str(_PACKAGE.parent)
    return [*(path for path in sys.path if path not in ("", os.getcwd(), last)), last]


def python_command(module: str, function: str) -> list[str]:
    """Returns the command that calls `function` of this package's `module` in a Python process of its own."""
    code = _START.format(module=module, function=function)
    return [sys.executable, "-I", "-c", code, json.dumps([str(_PACKAGE), child_path()])]  # -I: no path but this


class Channel:
    """A Python process that runs `function` of `module`; what it prints goes to `log`."""

    def __init__(self, module: str, function: str, log: IO[Any]) -> None:
        self.process = subprocess.Popen(
            python_command(module, function),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
        )
        self._answers: Queue[Any] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            while True:
                self._answers.put(read_object(self.process.stdout.fileno()))
        except Exception:  # the end, or half an answer of a child that died
            self._answers.put(_END)

    def send(self, value: Any) -> None:
        """Send an object; OSError where the child is gone."""
        assert self.process.stdin is not None
        write_object(self.process.stdin.fileno(), value)

    def receive(self, timeout: float) -> Any:
        """Returns the next answer; TimeoutError without one in time, EOFError where the child is gone."""
        try:
            answer = self._answers.get(timeout=timeout)
        except Empty as error:
            raise TimeoutError from error
        if answer is _END:
            self._answers.put(_END)
            raise EOFError
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self._reader.join()  # a stream that is closed while it is read ends this process too
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with suppress(OSError):  # what was written last has nobody to read it
                stream.close()


def own_ends() -> tuple[int, int]:
    """Returns the child's descriptors: objects come from the first, go to the second; stdout is stderr from then on."""
    come, go = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return come, go


def write_object(descriptor: int, value: Any) -> None:
    """Write an object after its length; OSError where nobody reads."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    left = memoryview(_LENGTH.pack(len(data)) + data)
    while left:
        left = left[os.write(descriptor, left) :]


def read_object(descriptor: int) -> Any:
    """Read an object; EOFError at the end.

    Through no buffered file: the lock of one that a thread waits in ends the interpreter when it exits.
    """
    (length,) = _LENGTH.unpack(_exactly(descriptor, _LENGTH.size))
    return pickle.loads(_exactly(descriptor, length))


def _exactly(descriptor: int, count: int) -> bytes:
    found = bytearray()
    while len(found) < count:
        block = os.read(descriptor, min(count - len(found), 1 << 20))
        if not block:
            raise EOFError
        found += block
    return bytes(found)
