"""Write a trained checkpoint as half-precision safetensors of the predict form, small enough to ship."""

from __future__ import annotations

import logging

import _cli
import torch
from safetensors.torch import save_file

from qat.files import atomic_path, sha256
from qat.models import build_model, load_checkpoint
from qat.workflow import stages

log = logging.getLogger(__name__)


def main() -> None:
    parser = _cli.parser(__doc__)
    parser.add_argument("--weights", help="checkpoint to read (default: the run's best.safetensors)")
    parser.add_argument("--output", required=True, help="safetensors file to write")
    args = parser.parse_intermixed_args()
    cfg = _cli.config(args)
    model = build_model(cfg.MODEL.NAME, cfg.DATASET.NUM_CLASSES)
    load_checkpoint(model, args.weights or stages.stage_folder(cfg, "train") / "best.safetensors")
    with atomic_path(args.output) as aside:
        save_file({name: _half(value) for name, value in model.state_dict().items()}, aside)
    log.info("%s, sha256 %s", args.output, sha256(args.output))


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


if __name__ == "__main__":
    _cli.run(main)
