"""Run by torchrun: trains the tiny network and saves what each process ends with."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from qat.training import Trainer, placed
from tests.training.tiny import Pictures, tiny_config, tiny_net


def main(folder: Path) -> None:
    cfg = tiny_config(folder)
    with placed(cfg) as place:
        # other first weights in each process: they must not matter
        trainer = Trainer(cfg, place, tiny_net(seed=place.rank), Pictures(9, True), Pictures(3, False))
        history = trainer.run()
        names = [name for batch in trainer.data.train for name in batch["name"]]
        parameters = {name: value.detach() for name, value in trainer.state.model.named_parameters()}
        torch.save(
            {"parameters": parameters, "loss": [r["loss"] for r in history], "names": names},
            folder / f"{place.rank}.pt",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
