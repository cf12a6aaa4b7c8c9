"""A network read from an ONNX file is held against ONNX Runtime before anything is made of it."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from qat.data.fit import Fit
from qat.errors import UserError, as_user_error
from qat.models import NetworkSpec, UserNetwork
from qat.models.onnx import OnnxNetwork
from qat.models.own import SMALL
from qat.runtimes.optional import require
from qat.runtimes.ort import options, session

TOLERANCE = 1e-3  # of the largest logit; summing in another order moves deep networks by up to 1e-4
log = logging.getLogger(__name__)


def prove_equal(user: UserNetwork, network: nn.Module, spec: NetworkSpec) -> None:
    """Compares the network's logits with ONNX Runtime's on fixed noise; UserError where they differ.

    `network`: what `load_user_network` gave, of the file that `user` names.
    """
    require("onnxruntime")
    assert isinstance(network, OnnxNetwork)
    picture = _picture(network, spec)
    with torch.no_grad():
        found: Tensor = network(picture)
    wanted = _by_runtime(user, network, picture)
    off = float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-12))
    if not off <= TOLERANCE:  # NaN differs
        raise UserError(
            f"MODEL.NAME {user.name}: its logits differ from ONNX Runtime's by {off:.2g} of the largest; please report "
            "this file, and give the network's code (MODEL.NAME path/net.py:function)"
        )
    log.info("MODEL.NAME %s: equal to ONNX Runtime within %.1g of the largest logit", user.name, off)


def _picture(network: OnnxNetwork, spec: NetworkSpec) -> Tensor:
    taken = network.input
    height, width = Fit("pad", spec.side_multiple).network_size(SMALL)
    shape = (taken.batch or 2, taken.channels, taken.height or height, taken.width or width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _by_runtime(user: UserNetwork, network: OnnxNetwork, picture: Tensor) -> Tensor:
    names = network.outputs
    chosen = user.output if isinstance(user.output, str) else names[user.output or 0]
    with as_user_error(f"MODEL.NAME {user.name}: ONNX Runtime doesn't run it", "export it again"):
        opened = session(network.path, options(torch.get_num_threads()))
        (logits,) = opened.run([chosen], {network.input.name: picture.numpy()})
    return torch.from_numpy(logits)
