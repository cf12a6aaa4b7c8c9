"""A calibration's pass over its pictures, whose batches the command's processes share.

Blocks of batches follow each other; in a block each process takes a run of batches, and the first one adds up what all
have seen, exactly, and saves it. So a saved state holds the first so many batches, whoever took them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from torch import Tensor, fx
from yacs.config import CfgNode

from qat.backends.calibration import calibrate
from qat.backends.fx import graph
from qat.backends.fx.backend import as_graph
from qat.backends.protocol import Prepared
from qat.distributed import ALONE, Group, current
from qat.errors import UserError
from qat.observers.observer import ActivationObserver, Batch
from qat.workflow.calibration_pictures import CalibrationPictures
from qat.workflow.load import device, load_prepared
from qat.workflow.progress import Progress, silent
from qat.workflow.sharing import check_same_files, shared_counter, state_of


@dataclass(frozen=True)
class Pass:
    """The batches of `pictures` after the first `done`, in blocks of `block` for each process of `group`."""

    group: Group
    pictures: CalibrationPictures
    done: int
    block: int

    @property
    def total(self) -> int:
        """The number of batches, with those before."""
        size: int = self.pictures.config.QUANT.CALIB_BATCH_SIZE
        return math.ceil(len(self.pictures.indices) / size)

    def run(
        self,
        prepared: Prepared,
        progress: Progress,
        title: str,
        after_block: Callable[[int], None],
        observe: Callable[[Prepared], None] = lambda prepared: graph.observe(as_graph(prepared)),
    ) -> None:
        """Let the observers see the batches; `after_block` takes their number so far, in the first process."""
        if not self.total:
            calibrate(prepared, ())  # says it
        check_same_files(self.group, self.pictures.dataset, self.pictures.indices)
        advance = shared_counter(self.group, progress, self.total - self.done, title)
        blocks = self._blocks()
        inputs = self._inputs([batch for block in blocks for batch in self.group.share(block)])
        for block in blocks:
            if not self.group.main:
                _forget(prepared)
            if own := len(self.group.share(block)):
                calibrate(prepared, islice(inputs, own), lambda count: advance(1), self.done, observe)
            _add_up(self.group, prepared)
            if self.group.main:
                advance(0)
                after_block(block.stop)

    def _blocks(self) -> list[range]:
        step = self.block * self.group.world
        return [range(first, min(first + step, self.total)) for first in range(self.done, self.total, step)]

    def _inputs(self, batches: list[int]) -> Iterator[Tensor]:
        return iter(self.pictures.chosen(batches, self.pictures.config.WORKERS))


def observe_together(
    pictures: CalibrationPictures,
    prepared: Prepared,
    done: int,
    progress: Progress,
    title: str,
    after_block: Callable[[int], None],
    observe: Callable[[Prepared], None],
) -> None:
    """Let the observers of `prepared` see the batches after the first `done`; the other processes help where they can.

    They can't where another backend has its own observers: then the first process sees all.
    """
    prepared.to(device(pictures.config))
    group = current() if observers_of(prepared) else ALONE
    one_pass = Pass(group, pictures, done, pictures.config.QUANT.SAVE_EVERY)
    if group.world > one_pass.total:
        raise UserError(f"{group.world} processes share {one_pass.total} batches of pictures; start that many or fewer")
    group.start(_help, pictures.config, state_of(prepared), done)
    one_pass.run(prepared, progress, title, after_block, observe)


def _help(group: Group, config: CfgNode, state: dict[str, Tensor], done: int) -> None:
    """What the other processes do of `observe_together`."""
    prepared = as_graph(load_prepared(config, prove=False)[0])
    prepared.load_state_dict(state)
    prepared.to(device(config))
    one_pass = Pass(group, CalibrationPictures.of(config), done, config.QUANT.SAVE_EVERY)
    one_pass.run(prepared, silent, "", lambda count: None)


def observers_of(prepared: Prepared) -> list[ActivationObserver]:
    """The observers, each once, in the order of the graph."""
    modules = prepared.modules() if isinstance(prepared, fx.GraphModule) else ()
    return [module for module in modules if isinstance(module, ActivationObserver)]


def _forget(prepared: Prepared) -> None:
    """Begins a block: what doesn't add up waits, batch by batch, for the first process's observer."""
    for observer in observers_of(prepared):
        observer.reset()
        observer.waiting = None if observer.adds_up else []


def _add_up(group: Group, prepared: Prepared) -> None:
    """Adds what the other processes' observers have seen to the first one's."""
    own = observers_of(prepared) if group.world > 1 else []
    sent = [] if group.main else [_seen(observer) for observer in own]
    for theirs in group.gather(sent)[1:]:
        for observer, seen in zip(own, theirs, strict=True):
            if isinstance(seen, ActivationObserver):
                observer.merge(seen.to(observer.ends.device))
            else:
                for batch in seen:
                    observer.take(batch)


def _seen(observer: ActivationObserver) -> ActivationObserver | list[Batch]:
    """What an observer has seen of a block, to be carried: its sums, or each batch."""
    if observer.waiting is None:
        return copy.deepcopy(observer).cpu()
    return [one.small() for one in observer.waiting]
