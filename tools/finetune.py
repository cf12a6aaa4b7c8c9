"""Fine-tune the calibrated network; several processes with torchrun --nproc_per_node N tools/finetune.py -c FILE."""

from __future__ import annotations

import logging

import _cli
from _progress import progress_bar

from qat.training import make_fine_tuner, placed


def main() -> None:
    cfg = _cli.config(_cli.parser(__doc__).parse_intermixed_args())
    with placed(cfg) as place:
        logging.getLogger().setLevel(logging.INFO if place.main else logging.ERROR)
        tuner = make_fine_tuner(cfg, place)
        if not place.main:
            tuner.run()
            return
        with progress_bar("qat", tuner.steps) as advance:
            tuner.run(advance)


if __name__ == "__main__":
    _cli.run(main)
