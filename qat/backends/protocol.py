"""What every backend can do, so that stages and tools don't ask which one it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from qat.backends.spec import QuantSpec
from qat.graph import Rewritten

Prepared = Any  # a backend's own observed network: an nn.Module, (N, 3, H, W) normalised -> logits


class Backend(Protocol):
    """Who quantises. Each function leaves its argument as it is, except `observe`."""

    @property
    def name(self) -> str:
        """fx or horizon."""

    @property
    def inspects(self) -> bool:
        """Whether it has tools of its own that look at a prepared network."""

    def inspect(self, prepared: Prepared, example: Tensor, folder: Path) -> list[str]:
        """What those say of pictures like `example` (N, 3, H, W), as lines; their files go to `folder`."""

    def prepare(self, rewritten: Rewritten, spec: QuantSpec) -> Prepared:
        """The observed network; UserError for a scheme that this backend hasn't."""

    def observe(self, prepared: Prepared) -> None:
        """From here on watch what passes and round nothing; after this the network's mode must stay as it is."""

    def fake_quantized(self, prepared: Prepared) -> nn.Module:
        """A copy that rounds to int8 levels in float: stage calib."""

    def convert(self, prepared: Prepared) -> nn.Module:
        """The int8 network, on the CPU: stage int_infer."""

    def to_torchscript(self, model: nn.Module, example: Tensor) -> torch.jit.ScriptModule:
        """The int8 network traced with a picture of the deployed size."""

    def dead_observers(self, prepared: Prepared) -> list[tuple[str, str]]:
        """(node, why) for each observer that learnt nothing."""

    def qparams(self, prepared: Prepared) -> dict[str, dict[str, Any]]:
        """Each quantised node's scale, zero point, range and levels."""
