"""One process, or several that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

_TIMEOUT = timedelta(hours=2)  # the other processes wait while the first one evaluates


@dataclass(frozen=True)
class DistContext:
    """This process's device, its number and how many there are."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def main(self) -> bool:
        """Whether this process logs, evaluates and writes."""
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
