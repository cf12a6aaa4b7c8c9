"""Run by torchrun: trains or fine-tunes the tiny network and saves what each process ends with."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from qat.training import FineTuner, Place, Trainer, placed
from qat.training.loop import Loop
from qat.training.schedule import Plan
from tests.training.tiny import Pictures, tiny_config, tiny_net, tiny_pair


def make_run(kind: str, folder: Path, place: Place) -> Loop:
    """Other first weights in each process: they must not matter."""
    cfg = tiny_config(folder, "QAT.END_EPOCH", "4")
    pictures = Pictures(9, True), Pictures(3, False)
    if kind == "train":
        return Trainer(cfg, place, tiny_net(seed=place.rank), *pictures)
    pair = tiny_pair(learn_scales=True, seed=place.rank)
    return FineTuner(cfg, place, Plan.of_fine_tuning(cfg), pair, *pictures, {}, lambda prepared, epochs: None)


def main(kind: str, folder: Path) -> None:
    with placed(tiny_config(folder)) as place:
        run = make_run(kind, folder, place)
        history = run.run()
        names = [name for batch in run.data.train for name in batch["name"]]
        parameters = {name: value.detach() for name, value in run.state.model.named_parameters()}
        torch.save(
            {"parameters": parameters, "loss": [r["loss"] for r in history], "names": names},
            folder / f"{place.rank}.pt",
        )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
