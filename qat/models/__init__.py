"""The float networks, equal to their official checkpoints key by key."""

from __future__ import annotations

from qat.errors import UserError, nearest
from qat.models.checkpoint import load_checkpoint
from qat.models.pidnet import SIZES, PIDNet

__all__ = ["NAMES", "PIDNet", "build_model", "load_checkpoint"]

NAMES = ("pidnet_s", "pidnet_m", "pidnet_l")
_OFFICIAL = {"pidnet_small": "pidnet_s", "pidnet_medium": "pidnet_m", "pidnet_large": "pidnet_l"}


def build_model(name: str, num_classes: int, aux: bool = False) -> PIDNet:
    """Build a float network with random weights.

    `name`: pidnet_s, pidnet_m, pidnet_l (the official YAML files' pidnet_small ... too). `aux`: the train form, with
    the auxiliary heads; without it the predict form. Raises UserError for an unknown name.

    >>> build_model("pidnet_s", num_classes=19).final_layer.conv2.out_channels
    19
    """
    short = _OFFICIAL.get(name, name)
    if short not in NAMES:
        raise UserError(f"unknown network MODEL.NAME {name}; {nearest(name, NAMES)}")
    return PIDNet(SIZES[short.removeprefix("pidnet_")], num_classes, aux)
