"""What every backend can do, so that stages and tools don't ask which one it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, fx, nn

from qat.backends.spec import QuantSpec
from qat.graph import Rewritten


class Prepared(Protocol):
    """A backend's own observed network: (N, 3, H, W) normalised -> logits, with its weights and statistics as state."""

    def __call__(self, x: Tensor, /) -> Any:
        """Logits of `x`."""

    def state_dict(self) -> dict[str, Any]:
        """Weights, statistics and scales by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> Any:
        """Take up what `state_dict` gave."""

    def to(self, device: torch.device, /) -> Any:
        """Move it, in place."""

    def cpu(self) -> Any:
        """Move it back, in place."""


class TakesOver(Protocol):
    """What a backend has that doesn't tune weights itself, because a run on backend fx does it."""

    def take_weights(self, prepared: Prepared, tuned: fx.GraphModule) -> None:
        """Put weights, biases and free-standing normalisation of backend fx's graph into `prepared`."""

    def take_weight_scales(self, prepared: Prepared, tuned: fx.GraphModule) -> None:
        """Let weights be rounded by the scales of `tuned`; after observation, which would undo it."""


class BoardCompiler(Protocol):
    """What a backend has that compiles for a board."""

    @property
    def runs_here(self) -> tuple[str, ...]:
        """Suffixes of those files for it that this machine runs too."""

    def for_device(self, prepared: Prepared) -> fx.GraphModule:
        """The integer network as the board feeds it."""


@dataclass(frozen=True)
class LayerSimilarity:
    """A layer as the backend's own tools compare it: `stage` against the one before it.

    `name`: theirs. `layer`: as our tables name layers. `sqnr_db`: infinite where nothing differs. `largest`, `alone`:
    the largest difference, as the network runs and with the same input, in steps of the layer's scale.
    """

    stage: str
    name: str
    layer: str
    sqnr_db: float
    largest: float | None
    alone: float | None


class Backend(Protocol):
    """Who quantises. Each function leaves its argument as it is, except `observe`."""

    @property
    def name(self) -> str:
        """fx or horizon."""

    @property
    def inspects(self) -> bool:
        """Whether it has tools of its own that look at a prepared network."""

    @property
    def takes_over(self) -> TakesOver | None:
        """How it takes over tuned weights; None where methods and training run on it."""

    @property
    def board(self) -> BoardCompiler | None:
        """How it compiles for its board; None where its artefacts are this machine's."""

    def inspect(self, rewritten: Rewritten, prepared: Prepared, example: Tensor, folder: Path) -> list[str]:
        """The lines that those tools say of pictures like `example` (N, 3, H, W); their files go to `folder`."""

    def compare(
        self, rewritten: Rewritten, prepared: Prepared, example: Tensor, folder: Path
    ) -> tuple[list[str], list[LayerSimilarity]]:
        """The same of a calibrated network's stages beside one another, with each layer's similarity."""

    def prepare(self, rewritten: Rewritten, spec: QuantSpec) -> Prepared:
        """The observed network; UserError for a scheme that this backend doesn't have."""

    def observe(self, prepared: Prepared) -> None:
        """Observe from here on what passes, and round nothing; after this the network's mode must stay as it is."""

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
