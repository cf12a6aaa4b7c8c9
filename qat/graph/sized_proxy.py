"""Proxies that know what they stand for on the example, so that Python code on sizes runs while a model is traced."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch.fx import Node, Proxy
from torch.fx.proxy import Attribute


class Decider(Protocol):
    """A tracer that knows what nodes give on the example."""

    def value(self, node: Node) -> Any:
        """What `node` gives: a fake tensor, a number, or a tuple, list or dict of them."""

    def number(self, node: Node) -> Any:
        """What `node` gives, if it follows from sizes alone; an error for pixels and the batch size."""

    def length(self, node: Node) -> int:
        """The length of what `node` gives; an error if it changes with the batch size."""


class SizedProxy(Proxy):
    """A proxy that Python may look into.

    `if`, `int` and `range` on sizes take the example's, a loop has the example's length, and in `seen_as_values` it is
    an instance of its value's class. `x += y` stays in place: torch.fx's own proxy makes it `x = x + y`, which other
    readers of x don't see.
    """

    tracer: Any  # a torch.fx.Tracer that is a Decider
    _is_param = False  # isinstance(proxy, nn.Parameter) asks for it

    def __getattr__(self, name: str) -> SizedAttribute:
        """A method or an attribute of the tensor."""
        return SizedAttribute(self, name)

    def __int__(self) -> int:
        """`int(size)`."""
        return int(self.tracer.number(self.node))

    def __index__(self) -> int:
        """`range(size)`, `parts[size]`."""
        return operator.index(self.tracer.number(self.node))

    def __float__(self) -> float:
        """`float(size)`."""
        return float(self.tracer.number(self.node))

    def __round__(self, digits: int | None = None) -> Any:
        """`round(size / 2)`."""
        return round(self.tracer.number(self.node), digits)

    def __len__(self) -> int:
        """`len(parts)`."""
        length: int = self.tracer.length(self.node)
        return length

    def __reversed__(self) -> Iterator[Any]:
        """`reversed(parts)`."""
        return iter([*self.tracer.iter(self)][::-1])

    def __contains__(self, value: Any) -> bool:
        """`size in (1, 2)`."""
        return any(value is one or bool(value == one) for one in self.tracer.iter(self))

    def __iadd__(self, other: Any) -> Any:
        """`x += other`."""
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

    def __isub__(self, other: Any) -> Any:
        """`x -= other`."""
        return self.tracer.create_proxy("call_function", operator.isub, (self, other), {})

    def __imul__(self, other: Any) -> Any:
        """`x *= other`."""
        return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})

    def __itruediv__(self, other: Any) -> Any:
        """`x /= other`."""
        return self.tracer.create_proxy("call_function", operator.itruediv, (self, other), {})


class SizedAttribute(SizedProxy, Attribute):
    """`x.shape` or, before its call, `x.view`."""


FACTORIES = ("empty", "ones", "rand", "randn", "zeros")


@contextmanager
def seen_as_values() -> Iterator[None]:
    """`isinstance(proxy, Tensor)` holds where the proxy's value is a tensor, in Python code alone.

    A property `__class__` would tell torch's C++ code too, which then reads the memory of a tensor that isn't there:
    `torch.pow(proxy, 2.0)` would end the process. `torch.zeros(proxy, 2)`, which that code refuses, is
    `torch.zeros((proxy, 2))`.
    """
    real, factories = builtins.isinstance, {name: getattr(torch, name) for name in FACTORIES}

    def is_instance(one: Any, kinds: Any) -> bool:
        return real(one, kinds) or (real(one, SizedProxy) and real(one.tracer.value(one.node), kinds))

    builtins.isinstance = is_instance
    for name, factory in factories.items():
        setattr(torch, name, _of_one_tuple(factory))
    try:
        yield
    finally:
        builtins.isinstance = real
        for name, factory in factories.items():
            setattr(torch, name, factory)


def _of_one_tuple(factory: Callable[..., Any]) -> Callable[..., Any]:
    def make(*sizes: Any, **settings: Any) -> Any:
        is_spread = len(sizes) > 1 and any(type(size) in (SizedProxy, SizedAttribute) for size in sizes)
        return factory(sizes, **settings) if is_spread else factory(*sizes, **settings)

    return make
