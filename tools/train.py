"""Train MODEL.NAME on DATASET; several processes with torchrun --nproc_per_node N tools/train.py -c FILE."""

from __future__ import annotations

import _cli
from _training import train

from qat.training import make_trainer


def main() -> None:
    train(__doc__, "train", make_trainer)


if __name__ == "__main__":
    _cli.run(main)
