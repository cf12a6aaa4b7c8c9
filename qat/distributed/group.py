"""The processes of one command: the first one runs it, the others help where it shares work.

What is shared is cut into blocks of pictures by index, one run of blocks for each process, and what comes back is in
the order of the processes, so in the order of the pictures: sums taken in it don't depend on how many there are.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar, cast

import torch
from torch import distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from qat.distributed.channel import Channel, Ended, OwnFailure
from qat.distributed.facts import Facts, require_equal
from qat.errors import UserError, quoted, refused_by_disk, wants_memory

T = TypeVar("T")
Help = Callable[..., object]  # takes the group and what `start` was given; a function of a module
_ARRIVE = timedelta(minutes=10)  # for every process to come
_MOVE = timedelta(hours=2)  # for one result to be carried; in a training the others wait for what the first one does


@dataclass(frozen=True)
class Group:
    """This process's number `rank` of `world`; alone there is no channel."""

    rank: int = 0
    world: int = 1
    channel: Channel | None = None
    _numbers: Iterator[int] = field(default_factory=count, repr=False, compare=False)

    @property
    def main(self) -> bool:
        """Whether this process runs the command, writes and prints."""
        return self.rank == 0

    def part(self, items: Sequence[T], what: str = "pictures") -> Sequence[T]:
        """This process's run of `items`; as many as another's, or one more or less.

        UserError where there are more processes than items: `what` they are.

        >>> [Group(rank, 3).part("abcdefgh") for rank in range(3)]
        ['ab', 'cde', 'fgh']
        """
        if self.world > len(items):
            raise UserError(f"{self.world} processes share {len(items)} {what}; start {len(items)} processes or fewer")
        return self.share(items)

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """As `part`, also of fewer items than processes, some of which then have none."""
        return items[len(items) * self.rank // self.world : len(items) * (self.rank + 1) // self.world]

    def start(self, help_with: Help, *arguments: object) -> None:
        """In the first process: let the others run `help_with(group, *arguments)`; it then does its own part of it."""
        if self.channel is None:
            return
        self.channel.check()
        self.channel.set(f"job {next(self._numbers)}", "")
        with self.channel.carrying():
            dist.broadcast_object_list([(help_with, arguments)], src=0)

    def serve(self) -> None:
        """Help the first process until it ends, which raises Ended."""
        assert self.channel is not None
        while True:
            self.channel.wait(f"job {next(self._numbers)}")
            received: list[Any] = [None]
            with self.channel.carrying():
                dist.broadcast_object_list(received, src=0)
            help_with, arguments = received[0]
            help_with(self, *arguments)

    def gather(self, value: T) -> list[T]:
        """Every process's value in order, in the first process; nothing in the others."""
        if self.channel is None:
            return [value]
        self.channel.meet(f"gather {next(self._numbers)}")
        values: list[Any] | None = [None] * self.world if self.main else None
        with self.channel.carrying():
            dist.gather_object(value, values, dst=0)
        return values or []

    def spread(self, value: T) -> T:
        """The first process's value, in every process."""
        if self.channel is None:
            return value
        self.channel.meet(f"spread {next(self._numbers)}")
        values: list[Any] = [value if self.main else None]
        with self.channel.carrying():
            dist.broadcast_object_list(values, src=0)
        return cast(T, values[0])

    def counter(self) -> Callable[[int], int]:
        """Returns a function that adds steps to those of all processes, and returns how many there are so far."""
        channel, name, own = self.channel, f"steps {next(self._numbers)}", 0

        def add(steps: int) -> int:
            nonlocal own
            own += steps
            return channel.count(name, steps) if channel else own

        return add


ALONE = Group()
_CURRENT: ContextVar[Group] = ContextVar("group", default=ALONE)


def current() -> Group:
    """The group that this process works in: ALONE unless a command has `joined` one."""
    return _CURRENT.get()


@contextmanager
def joined() -> Iterator[Group]:
    """The group that the environment names (RANK, WORLD_SIZE, as torchrun sets them), until the block ends.

    UserError where another process has another version of this tool, of torch, or a processor with other kernels.
    """
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        yield ALONE
        return
    group = _join(world)
    token = _CURRENT.set(group)
    try:
        with _ends_with_others(group):
            require_equal(group.gather(Facts.here()))
            yield group
    finally:
        _CURRENT.reset(token)


def _join(world: int) -> Group:
    """Meets the others. gloo carries results, which lie in memory; nccl gradients between GPUs."""
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
        backend = "cpu:gloo,cuda:nccl" if dist.is_nccl_available() else "gloo"
    try:
        store, rank, world = next(rendezvous("env://", timeout=_ARRIVE))
        dist.init_process_group(
            backend, store=PrefixStore("results", store), rank=rank, world_size=world, timeout=_MOVE
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"{world} processes didn't meet ({quoted(str(error).splitlines()[0])}); start them again"
        ) from error
    return Group(rank, world, Channel(PrefixStore("words", store), rank, world))


@contextmanager
def _ends_with_others(group: Group) -> Iterator[None]:
    """The first process's end is the others' end, and it says what they failed of."""
    assert group.channel is not None
    code = 1
    try:
        yield
        code = 0
    except Exception as error:
        code = 2 if isinstance(error, UserError) else 1
        if not group.main:
            _tell(group.channel, error)
        raise
    finally:
        if group.main:
            group.channel.end(code)


def _tell(channel: Channel, error: Exception) -> None:
    """Ended once the first process has said what this one failed of; OwnFailure where it doesn't."""
    said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {quoted(str(error))}"
    line = f"process {channel.rank} on {platform.node()}: {said}"
    code = channel.fail(line)
    if code is not None and (isinstance(error, UserError) or wants_memory(error) or refused_by_disk(error)):
        raise Ended(code) from error
    if isinstance(error, UserError):
        raise OwnFailure(line) from error
