"""Fine-tune the calibrated network; several processes with torchrun --nproc_per_node N tools/finetune.py -c FILE."""

from __future__ import annotations

import _cli
from _training import train
from yacs.config import CfgNode

from qat.training import make_fine_tuner
from qat.workflow.calibrate import hand_over
from qat.workflow.progress import silent
from qat.workflow.settings import backend_choice


def main() -> None:
    train(__doc__, "qat", make_fine_tuner, _after)


def _after(cfg: CfgNode) -> None:
    """The plugin takes over what its twin learnt."""
    if backend_choice(cfg).backend.name != "fx":
        hand_over(cfg, "qat", silent)


if __name__ == "__main__":
    _cli.run(main)
