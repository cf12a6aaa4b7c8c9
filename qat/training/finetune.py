"""Fine-tuning: the calibrated network learns with its rounding in place, from labels and from the float network.

Batch normalisation is folded into the convolutions, as it is deployed; one that stands alone keeps its statistics.
Weight scales stay as calibrated, so that rounding which calibration learnt is where training starts. Always in float32:
bf16 keeps 8 bits, with which a level times its scale is no longer that level.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, fx
from yacs.config import CfgNode

from qat.backends import calibration
from qat.backends.fx import fake_quantized
from qat.backends.scaled_parameters import learn_in_units
from qat.backends.trainable import trainable_quantisers, write_back
from qat.config import with_values
from qat.evaluation import Result
from qat.files import write_json
from qat.graph.ops import INT8_LAYERS
from qat.training.data import WithoutLabels, build_data, has_labels, to_device
from qat.training.distil import distillation
from qat.training.distributed import Place, choose_kernels
from qat.training.initial_graph import Start
from qat.training.loop import Loop
from qat.training.losses import LossConfig, label_loss
from qat.training.reporting import Reporter
from qat.training.schedule import Plan
from qat.training.state import CHECKPOINT, changes
from qat.training.teacher_student import Pair, load_pair
from qat.workflow import stages
from qat.workflow.settings import backend_choice

BETAS = (0.9, 0.99)  # of Adam: few steps, so a short memory
_log = logging.getLogger(__name__)
_ORIGIN = ("calib's checkpoint", "float weights")  # what a resumed run must share with its checkpoint
_READ = (  # of TRAIN, beside what the plan holds
    *("IMAGE_SIZE", "BASE_SIZE", "FLIP", "SCALE_FACTOR", "COLOR", "BATCH_SIZE_PER_GPU", "SHUFFLE"),
    "SEED",
)


def make_fine_tuner(cfg: CfgNode, place: Place) -> FineTuner:
    """The run that a config describes, from the finished calibration of the same config; UserError if there is none.

    For another backend than fx it is its twin that is trained.
    """
    choose_kernels(cfg)
    start = Start.of(cfg, stages.finished_stages(cfg))
    if backend_choice(cfg).backend.name != "fx":
        stages.load_calibration(cfg, stage="calib")  # which the result will belong to
        cfg = stages.twin(cfg)
    _log.info("%s", start)
    pair, plan = load_pair(cfg, start, write=place.main), Plan.of_fine_tuning(cfg)
    train, val = build_data(with_values(cfg, {"TRAIN.MULTI_SCALE": cfg.QAT.MULTI_SCALE}))
    if not has_labels(train):
        _log.warning("%s has no labels: learning from the float network alone", cfg.DATASET.TRAIN_SET)
        train.transform = WithoutLabels(train.transform)  # type: ignore[arg-type]
    if not has_labels(val):
        _log.warning("%s has no labels: no mIoU on the way", cfg.DATASET.TEST_SET)
        plan = replace(plan, eval_every=0)
    origin = stages.made_from(cfg, "qat").with_values(start.record()).values
    return FineTuner(cfg, place, plan, pair, train, val, origin, partial(_keep, cfg, start.record()))


def _keep(cfg: CfgNode, more: Mapping[str, Any], prepared: fx.GraphModule, epochs: int) -> None:
    """Write stage qat's folder."""
    folder = stages.stage_folder(cfg, "qat")
    write_json(folder / "qparams.json", calibration.qparams(prepared))
    stages.write_provenance(cfg, "qat", {"epochs": epochs, **more})
    calibration.save(prepared, stages.checkpoint(cfg, "qat"), epochs, stages.made_from(cfg, "qat"))
    (folder / "metrics.json").unlink(missing_ok=True)  # of an earlier run


def _learnt_scales(student: fx.GraphModule) -> dict[str, float]:
    """The scales that learn by their layer; one that several layers share under the first."""
    found: dict[int, tuple[str, float]] = {}
    for node, quantiser in trainable_quantisers(student):
        if quantiser.learns:
            found.setdefault(id(quantiser), (node.all_input_nodes[0].name, float(quantiser.scale.detach())))
    return dict(found.values())


class FineTuner(Loop):
    """One run. `origin`: what its start and result are decided by. `keep` writes the result: (prepared, epochs)."""

    advice = "lower QAT.LR"
    batch_norm_learns = False

    def __init__(
        self,
        cfg: CfgNode,
        place: Place,
        plan: Plan,
        pair: Pair,
        train_set: Any,
        val_set: Any,
        origin: Mapping[str, Any],
        keep: Callable[[fx.GraphModule, int], None],
    ) -> None:
        self.pair, self.origin, self.keep = pair.to(place.device), origin, keep
        parameters = learn_in_units(pair.student, pace=cfg.QAT.SCALE_LR / cfg.QAT.LR)
        optimizer = torch.optim.Adam(parameters, cfg.QAT.LR, betas=BETAS)
        super().__init__(cfg, place, plan, pair.student, optimizer, train_set, val_set)
        self.loss = LossConfig.from_cfg(cfg, train_set.class_weights)

    def settings(self) -> str:
        """What started the run, how it goes and what it learns from."""
        read = {f"TRAIN.{key}": self.cfg.TRAIN[key] for key in _READ}
        read |= {f"LOSS.{key}": value for key, value in self.cfg.LOSS.items()}
        values = {**self.origin, "plan": self.plan, **read}
        return "".join(f"{key}: {value}\n" for key, value in values.items())

    def refuses(self, checkpoint: Path) -> str:
        """An interrupted run goes on by itself; with other settings it is the user's choice."""
        found = changes(checkpoint, self.settings())
        if any(line[2:].startswith(_ORIGIN) for line in found):
            return "it started from another calibration"
        if found and not (self.cfg.TRAIN.RESUME or self.cfg.AUTO_RESUME):
            return f"its settings were others ({found[0]}); TRAIN.RESUME True would go on from it"
        return ""

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Weighted parts: labels, logits and, where the network has one, boundary attention."""
        image, label, _ = to_device(batch, self.place.device)
        with torch.no_grad():
            expected = self.pair.teacher(image)
        outputs, own = self.network(image), self.cfg.QAT
        parts = {"labels": own.LABELS * label_loss(outputs[0], label, self.loss)}
        for name, distance in distillation(outputs, expected).items():
            parts[name] = own[name.upper()] * distance
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def averaged(self) -> Callable[[Tensor], Tensor]:
        """The averaged weights as stage qat computes with them."""
        return fake_quantized(self._result()).to(self.place.device)

    def _result(self) -> fx.GraphModule:
        write_back(cast(fx.GraphModule, self.state.average.model), self.pair.prepared)
        return self.pair.prepared

    def after_epoch(self, result: Result | None, reporter: Reporter) -> None:
        """Report scales that learn and the weights' distributions."""
        done, student = self.progress.iteration, self.pair.student
        reporter.board.scalars(done, {f"scale/{name}": scale for name, scale in _learnt_scales(student).items()})
        layers = ((name, module) for name, module in student.named_modules() if isinstance(module, INT8_LAYERS))
        reporter.board.histograms(done, {f"weight/{name}": cast(Tensor, module.weight) for name, module in layers})

    def finish(self) -> None:
        """Keep the averaged weights of the last epoch; not the best by mIoU, which would choose by the test list."""
        self.keep(self._result(), self.progress.epoch)
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
        _log.info("fine-tuned for %d epochs -> %s", self.progress.epoch, self.folder)
