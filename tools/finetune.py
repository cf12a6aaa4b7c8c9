"""Fine-tune the calibrated network; several processes with torchrun --nproc_per_node N tools/finetune.py -c FILE."""

from __future__ import annotations

import _cli
from _training import train

from qat.training import make_fine_tuner


def main() -> None:
    train(__doc__, "qat", make_fine_tuner)


if __name__ == "__main__":
    _cli.run(main)
