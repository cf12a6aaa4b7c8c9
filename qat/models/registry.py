"""The networks that MODEL.NAME can name."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from qat.errors import UserError, nearest
from qat.models import bisenet, ddrnet, litehrnet, mnasnet, pidnet, yolov5
from qat.models.forms import EVAL, PRED, TRAIN, change_output, check_aux_mode, classes_of
from qat.models.spec import IMAGENET_MEAN, IMAGENET_STD, Branch, NetworkSpec
from qat.models.user import names_own

NETWORKS: tuple[NetworkSpec, ...] = (
    *pidnet.NETWORKS,
    *bisenet.NETWORKS,
    *ddrnet.NETWORKS,
    *mnasnet.NETWORKS,
    *yolov5.NETWORKS,
    *litehrnet.NETWORKS,
)
NAMES = tuple(network.name for network in NETWORKS)


def resolve(name: str) -> NetworkSpec:
    """The row of the network `name`, or of the one that has this alias; UserError for another name.

    >>> resolve("pidnet_small").name, resolve("pidnet_s").stride
    ('pidnet_s', 8)
    """
    for network in NETWORKS:
        if name in (network.name, *network.aliases):
            return network
    own = "a network of your own: package.module:function, path/net.py:function or path/net.onnx"
    raise UserError(f"unknown network MODEL.NAME {name}; {nearest(name, NAMES)} ({own})")


def normalisation(name: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and deviation that MODEL.NAME's network expects of RGB / 255; ImageNet's for a network of the user's own.

    >>> normalisation("net.py:build") == normalisation("pidnet_s")
    True
    """
    if names_own(name):
        return IMAGENET_MEAN, IMAGENET_STD
    network = resolve(name)
    return network.mean, network.std


def default_fit(name: str) -> str:
    """How MODEL.NAME's network takes pictures that its stride doesn't divide, where TEST.FIT isn't set.

    >>> default_fit("net.py:build")
    'pad'
    """
    return NetworkSpec.fit if names_own(name) else resolve(name).fit


def takes_letterbox(name: str) -> bool:
    """Whether TEST.FIT letterbox is for MODEL.NAME's network: detectors bring boxes back from between the bars.

    >>> takes_letterbox("yolov5n"), takes_letterbox("pidnet_s"), takes_letterbox("net.py:build")
    (True, False, False)
    """
    return not names_own(name) and resolve(name).task == "detection"


def build_model(name: str, num_classes: int, aux_mode: str = EVAL) -> nn.Module:
    """Build a float network with random weights.

    Args:
        name: a network's name or alias, such as pidnet_s or the official YAML files' pidnet_small.
        num_classes: channels of the logits; of a pose network the key points, of a detector the classes.
        aux_mode: train (with the auxiliary heads, a list of outputs), eval (without them, the main output; a detector
            has three), or pred (eval with the argmax inside).

    Returns:
        The network, (N, 3, H, W) normalised -> logits (N, num_classes, h, w); with pred classes (N, h, w), int32.

    Raises:
        UserError: for an unknown name or aux_mode, and for pred of a network whose outputs are no classes.

    Example:
        >>> build_model("pidnet_s", num_classes=19).final_layer.conv2.out_channels
        19
        >>> import torch
        >>> build_model("bisenetv2", num_classes=19, aux_mode="pred").eval()(torch.zeros(1, 3, 64, 32)).shape
        torch.Size([1, 64, 32])
    """
    spec = resolve(name)
    check_aux_mode(aux_mode)
    network = spec.build(num_classes, aux_mode == TRAIN)
    if aux_mode == PRED:
        if spec.task not in ("segmentation", "classification"):
            raise UserError(f"{name} has no aux_mode pred: its task is {spec.task}; use eval")
        change_output(network, classes_of)
    return network


def branches_of(modules: Iterable[str]) -> tuple[Branch, ...]:
    """The branches of the network whose every branch has one of `modules` (dotted paths); () if there is none.

    >>> [branch.name for branch in branches_of(["conv1.0", "pag3", "diff3.0", "dfm.conv_p.0", "final_layer.conv1"])]
    ['P', 'I', 'D', 'Fusion', 'Head']
    >>> branches_of(["features.0"])
    ()
    """
    present = {module.split(".")[0] for module in modules}
    known = (network.branches for network in NETWORKS if network.branches)
    return next((parts for parts in known if all(present & set(part.attributes) for part in parts)), ())
