"""Run by torchrun: trains or fine-tunes the tiny network and saves what each process ends with."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from qat.origin import Origin
from qat.training import DistContext, FineTuner, Trainer, dist_context
from qat.training.loop import Loop
from qat.workflow.fine_tuning import fine_tune_config
from qat.workflow.fine_tuning import plan_of as plan_of_fine_tuning
from qat.workflow.training import train_config
from tests.networks import tiny_net
from tests.training.tiny import Pictures, tiny_config, tiny_pair


def make_run(kind: str, folder: Path, context: DistContext) -> Loop:
    """Other first weights in each process: they must not matter."""
    cfg = tiny_config(folder, "QAT.END_EPOCH", "4")
    pictures = Pictures(9, True), Pictures(3, False)
    if kind == "train":
        return Trainer(train_config(cfg), context, tiny_net(seed=context.rank), *pictures)
    settings = fine_tune_config(cfg, plan_of_fine_tuning(cfg), origin=Origin({}))
    pair = tiny_pair(learn_scales=True, seed=context.rank)
    return FineTuner(settings, context, pair, *pictures, keep=lambda prepared, epochs: None)


def main(kind: str, folder: Path) -> None:
    with dist_context(torch.device("cpu")) as context:
        run = make_run(kind, folder, context)
        history = run.run()
        names = [name for batch in run.data.train for name in batch["name"]]
        parameters = {name: value.detach() for name, value in run.state.model.named_parameters()}
        torch.save(
            {"parameters": parameters, "loss": [r["loss"] for r in history], "names": names},
            folder / f"{context.rank}.pt",
        )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
