"""Where a run takes place: one process, or several that torchrun started."""

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
from yacs.config import CfgNode

from qat.workflow.stages import device

_TIMEOUT = timedelta(hours=2)  # the other processes wait while the first one evaluates


def choose_kernels(cfg: CfgNode) -> None:
    """As CUDNN says."""
    torch.backends.cudnn.benchmark = cfg.CUDNN.BENCHMARK
    torch.backends.cudnn.deterministic = cfg.CUDNN.DETERMINISTIC
    torch.backends.cudnn.enabled = cfg.CUDNN.ENABLED


@dataclass(frozen=True)
class Place:
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
def placed(cfg: CfgNode) -> Iterator[Place]:
    """The place that DEVICE and torchrun's RANK, WORLD_SIZE and LOCAL_RANK name."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        yield Place(device(cfg))
        return
    if device(cfg).type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    here = torch.empty(0, device=device(cfg)).device  # a bare `cuda` gets its number
    dist.init_process_group("nccl" if here.type == "cuda" else "gloo", timeout=_TIMEOUT)
    try:
        yield Place(here, dist.get_rank(), world)
    finally:
        dist.destroy_process_group()
