"""What the two training tools share: the place, the log, the bar."""

from __future__ import annotations

import logging
from collections.abc import Callable

import _cli
from _progress import progress_bar
from yacs.config import CfgNode

from qat.training import FineTuner, Place, Trainer, placed


def train(
    doc: str | None,
    title: str,
    make: Callable[[CfgNode, Place], Trainer | FineTuner],
    after: Callable[[CfgNode], None] = lambda cfg: None,
) -> None:
    """Run what `make` gives for the config; only the first of several processes reports, and calls `after` then."""
    cfg = _cli.config(_cli.parser(doc).parse_intermixed_args())
    with placed(cfg) as place:
        logging.getLogger().setLevel(logging.INFO if place.main else logging.ERROR)
        run = make(cfg, place)
        if not place.main:
            run.run()
            return
        with progress_bar(title, run.steps) as advance:
            run.run(advance)
        after(cfg)
