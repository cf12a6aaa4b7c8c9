"""One process, or several that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from qat.distributed import Group

T = TypeVar("T")
_TIMEOUT = timedelta(hours=2)  # the other processes wait while the first one evaluates


@dataclass(frozen=True)
class DistContext:
    """This process's device, its number and how many there are."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def main(self) -> bool:
        """Whether this process logs and writes."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """`model` with gradients averaged over all processes; batch norm's statistics stay each process's own."""
        if self.world == 1:
            return model
        return DistributedDataParallel(model, [self.device] if self.device.type == "cuda" else None)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over all processes."""
        if self.world > 1:
            dist.all_reduce(value)
        return value / self.world

    def same(self, model: nn.Module) -> None:
        """Gives every process the first one's weights and buffers of `model`, in place."""
        for value in model.state_dict().values() if self.world > 1 else ():
            dense = value.contiguous()
            dist.broadcast(dense, 0)
            value.copy_(dense)

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's run of `items`; of fewer items than processes all are the first one's."""
        if len(items) < self.world:
            return items if self.main else items[:0]
        return Group(self.rank, self.world).share(items)

    def gather(self, value: T) -> list[T]:
        """Every process's value in order, in the first one; nothing in the others."""
        if self.world == 1:
            return [value]
        values: list[Any] | None = [None] * self.world if self.main else None
        dist.gather_object(value, values, dst=0)
        return values or []

    def wait(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def dist_context(device: torch.device) -> Iterator[DistContext]:
    """The context that torchrun's RANK, WORLD_SIZE and LOCAL_RANK name; each process takes its own CUDA device."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        yield DistContext(device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if dist.is_initialized():  # the command has joined the others
        yield DistContext(device, dist.get_rank(), world)
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_TIMEOUT)
    try:
        yield DistContext(device, dist.get_rank(), world)
    finally:
        dist.destroy_process_group()
