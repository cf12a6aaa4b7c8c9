"""Things that go wrong in a child process."""

from __future__ import annotations

import ctypes
import os
import time

from qat.errors import UserError


class Subject:
    """What a child holds."""

    def double(self, value: int) -> int:
        return 2 * value

    def mistake(self) -> None:
        raise UserError("a user's mistake")

    def fault(self) -> None:
        raise ZeroDivisionError("a fault of ours")

    def abort(self) -> None:
        os.write(2, b"what(): std::bad_alloc\n")
        os.abort()

    def segfault(self) -> None:
        ctypes.string_at(0)

    def hang(self) -> None:
        time.sleep(60)


def add(a: int, b: int) -> int:
    return a + b


def loud(value: int) -> int:
    print("on stdout", flush=True)
    os.write(1, b"and by the system's own call\n")
    return value
