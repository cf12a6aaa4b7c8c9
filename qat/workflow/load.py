"""Loads the network of a stage; no other file does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import cast

import torch
from torch import Tensor, fx, nn
from yacs.config import CfgNode

from qat.backends import calibration
from qat.backends.fx.backend import as_graph
from qat.backends.protocol import Prepared
from qat.backends.scales import is_prepared
from qat.data.fit import AS_IS, Fit
from qat.errors import UserError, nearest, quoted
from qat.files import known_sha256
from qat.graph import Rewritten, rewrite
from qat.invocation import command
from qat.stages import CHECKPOINTS, EQUALISED, STAGES, origin_of, source_of, write_views
from qat.workflow.class_names import hold_names
from qat.workflow.kernels import load_int8
from qat.workflow.network import build_network, channels_of, load_weights
from qat.workflow.places import CPU_STAGES
from qat.workflow.run import run_of
from qat.workflow.settings import backend_choice, descriptor_of, fit_of, graph_size, quant_spec


def load_stage(config: CfgNode, stage: str) -> nn.Module:
    """A stage of the network, ready to call.

    Args:
        config: of the run, such as `qat.config.load_config` gives.
        stage: float, calib and qat (fake-quantised), int_infer (int8 kernels) or compiled (COMPILE.RUNTIME's artefact).

    Returns:
        A network: (N, 3, H, W) normalised float32 -> logits (N, classes, h, w). Stage compiled takes pictures as its
        manifest says. float, calib and qat run on DEVICE, the others on the CPU; calib, qat and int_infer take pictures
        of TEST.IMAGE_SIZE; TEST.FIT says how the sides become multiples of the network's stride.

    Raises:
        UserError: for an unknown stage, and where the stage before is missing or was made from other weights or
            another config.

    Example:
        >>> from qat.config import load_config
        >>> network = load_stage(load_config("streets/pidnet_s", ["DEVICE", "cpu"]), "float")
        >>> network(torch.zeros(1, 3, 64, 128)).shape
        torch.Size([1, 19, 8, 16])
    """
    if stage not in STAGES:
        raise UserError(f"unknown stage {stage}; {nearest(stage, STAGES)}")
    if stage == "float":
        network = load_float(config).to(device(config))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network
    if stage == "compiled":
        from qat.workflow.artefact import load_compiled  # it asks for a run, as this module does

        return load_compiled(config)
    backend = backend_choice(config).backend
    prepared = load_calibration(config, stage=stage if stage in CHECKPOINTS else None)
    if stage in CHECKPOINTS:
        return sized(config, backend.fake_quantized(prepared).to(device(config)))
    if isinstance(prepared, fx.GraphModule) and is_prepared(prepared):
        return sized(config, load_int8(config, prepared, example_input(config)))
    script = backend.to_torchscript(backend.convert(prepared), example_input(config))
    return sized(config, script)


def stage_device(config: CfgNode, stage: str) -> torch.device:
    """Returns the device of a stage; int8 kernels and runtimes use the CPU."""
    return torch.device("cpu") if stage in CPU_STAGES else device(config)


def device(config: CfgNode) -> torch.device:
    """Returns the device that DEVICE names; `auto` is CUDA if there is one."""
    if config.DEVICE == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.empty(0, device=config.DEVICE).device
        if found.type == "meta":
            raise RuntimeError("it holds no numbers")
        return found
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        raise UserError(
            f"DEVICE {config.DEVICE} can't be used here: {quoted(str(error).splitlines()[0])}; try auto or cpu"
        ) from error


def load_float(config: CfgNode) -> nn.Module:
    """Loads the float network in predict form with TEST.MODEL_FILE's weights, in eval mode on the CPU."""
    model, run = build_network(config), run_of(config)
    load_weights(config, model, None if run.own_weights else run.weights_file)
    if not run.own_weights:
        classes = descriptor_of(config).class_set.resized(config.DATASET.NUM_CLASSES)
        hold_names(run.weights_file, classes.names)
    return model.eval()


def example_input(config: CfgNode, size: list[int] | None = None) -> Tensor:
    """Returns a picture of fixed noise, (1, channels, H, W); `size`: width and height, by default the graph's."""
    width, height = size or graph_size(config)
    noise = torch.randn(1, channels_of(config), height, width, generator=torch.Generator().manual_seed(0))
    return noise.contiguous(memory_format=torch.channels_last)


def load_prepared(config: CfgNode, prove: bool = True, size: list[int] | None = None) -> tuple[Prepared, Rewritten]:
    """Returns the float network rewritten for QUANT.TARGET, with the backend's observers, which have seen nothing yet.

    `prove` compares the outputs before and after each rewrite; calibration does it once. `size`: width and height of
    the pictures, by default `graph_size`.
    """
    rewritten = rewrite(load_float(config), example_input(config, size), config.QUANT.TARGET, prove=prove)
    return backend_choice(config).backend.prepare(rewritten, quant_spec(config)), rewritten


def load_calibration(config: CfgNode, size: list[int] | None = None, stage: str | None = None) -> Prepared:
    """Loads the observed network with a finished stage's weights and scales, for pictures of `size`.

    `stage`: calib or qat; by default the stage that later ones start from (`source_of`).
    """
    return load_calibrated(config, size, stage)[0]


def load_calibrated(
    config: CfgNode, size: list[int] | None = None, stage: str | None = None
) -> tuple[Prepared, Rewritten]:
    """Calls `load_calibration`, and returns the rewritten float network beside it."""
    run = run_of(config)
    prepared, rewritten = load_prepared(config, prove=False, size=size)
    stage = stage or source_of(run)
    calibration.load_calibration(prepared, run.folders.checkpoint(stage), origin_of(run, stage), again=command(stage))
    with suppress(UserError):  # a folder that can't be written to will do
        write_views(run.folders.stage(stage))
    return prepared, rewritten


def load_graph(config: CfgNode, size: list[int] | None = None, stage: str | None = None) -> fx.GraphModule:
    """Calls `load_calibration` for backend fx, whose graph can be inspected; UserError for another backend."""
    return as_graph(load_calibration(config, size, stage))


def load_plain(config: CfgNode, stage: str = "calib") -> fx.GraphModule:
    """Loads the prepared graph with float's weights, equalised as stage calib or qat is; its observers saw nothing.

    Raises UserError where the file that equalisation left isn't the one that belongs to the stage.
    """
    run = run_of(config)
    path, record = run.folders.stage(stage) / EQUALISED, calibration.recorded(run.folders.checkpoint(stage))
    if record.equalised and not (path.is_file() and known_sha256(path) == record.equalised):
        raise UserError(f"{path} isn't the one of {run.folders.checkpoint(stage)}; run {command(stage)} again")
    if stage == "qat" and not (record.equalised or (path.is_file() and not record.views)):  # views: not an older one
        return load_plain(config)
    return load_equalised(config, stage)


def load_equalised(config: CfgNode, stage: str = "calib") -> fx.GraphModule:
    """As `load_plain`, of a stage in the making; UserError if QUANT.EQUALISE is on and the calibration hasn't begun."""
    run, prepared = run_of(config), load_prepared(config, prove=False)[0]
    if stage == "qat" or config.QUANT.EQUALISE:
        calibration.load_calibration(prepared, run.folders.stage(stage) / EQUALISED, origin_of(run, stage))
    return as_graph(prepared)


def sized(config: CfgNode, network: nn.Module) -> Sized:
    """Returns the network for pictures of TEST.IMAGE_SIZE, fitted."""
    return Sized(network, config.TEST.IMAGE_SIZE, fit_of(config))


class Sized(nn.Module):
    """A network whose graph holds its picture size; it raises UserError for pictures of another size.

    `image_size`: width and height of pictures before they are fitted.
    """

    def __init__(self, network: nn.Module, image_size: Sequence[int], fit: Fit = AS_IS) -> None:
        super().__init__()
        self.network = network
        self.image_width, self.image_height = image_size
        self.height, self.width = fit.network_size((self.image_height, self.image_width))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of `x`, (N, 3, height, width)."""
        height, width = x.shape[-2:]
        if (height, width) != (self.height, self.width):
            is_fitted = (self.width, self.height) != (self.image_width, self.image_height)
            fitted = f" (fitted: {self.width}x{self.height})" if is_fitted else ""
            raise UserError(
                f"the picture is {width}x{height} and the int8 graph is built for TEST.IMAGE_SIZE "
                f"{self.image_width}x{self.image_height}{fitted}; set TEST.IMAGE_SIZE {width},{height} and run "
                f"{command('calib')}"
            )
        return cast(Tensor, self.network(x))
