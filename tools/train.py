"""Train MODEL.NAME on DATASET; several processes with torchrun --nproc_per_node N tools/train.py -c FILE."""

from __future__ import annotations

import logging

import _cli
from _progress import progress_bar

from qat.training import make_trainer, placed


def main() -> None:
    cfg = _cli.config(_cli.parser(__doc__).parse_intermixed_args())
    with placed(cfg) as place:
        logging.getLogger().setLevel(logging.INFO if place.main else logging.ERROR)
        trainer = make_trainer(cfg, place)
        if not place.main:
            trainer.run()
            return
        with progress_bar("train", trainer.steps) as advance:
            trainer.run(advance)


if __name__ == "__main__":
    _cli.run(main)
