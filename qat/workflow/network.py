"""The network that section MODEL names, registered or the user's own: its row, its modules and what decides it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn
from yacs.config import CfgNode

from qat.data import read_descriptor
from qat.deploy.boxes import STRIDES
from qat.errors import UserError
from qat.evaluation.tasks import SEGMENTATION, TASKS, Task
from qat.evaluation.tasks.detection import DETECTION, Anchors, with_anchors
from qat.evaluation.tasks.keypoints import KEYPOINTS, with_points
from qat.files import sha256_text
from qat.graph import trace
from qat.models import NetworkSpec, UserNetwork, build_model, load_checkpoint, load_user_network, names_own, resolve
from qat.models.checkpoint import read_tensors
from qat.models.forms import EVAL, TRAIN
from qat.models.own import OTHER, SMALL
from qat.models.user import names_onnx
from qat.resources import find_checkpoint
from qat.workflow.onnx_network import prove_equal

RGB = 3  # channels
DIGEST = "MODEL.NAME's network (sha256)"  # how a record names it
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Facts:
    """What is known of a user's network. `digest`: of its graph; `weights`: of those that its function gives."""

    spec: NetworkSpec
    digest: str
    weights: str


def user_network(config: CfgNode) -> UserNetwork | None:
    """Returns the user's network that MODEL.NAME names; None for a registered one."""
    model = config.MODEL
    if names_own(model.NAME):
        return UserNetwork(model.NAME, plain(model.KWARGS), model.OUTPUT, model.TASK or SEGMENTATION.name)
    for key in ("KWARGS", "OUTPUT", "TASK"):
        if model[key] not in ({}, None):
            raise UserError(
                f"MODEL.{key} is {model[key]} and MODEL.NAME {model.NAME} is registered; leave it out, it is for a "
                "network of your own (MODEL.NAME package.module:function, path/net.py:function or path/net.onnx)"
            )
    return None


def plain(value: Any) -> Any:
    """Mappings of a config as plain ones."""
    return {key: plain(part) for key, part in value.items()} if isinstance(value, Mapping) else value


def build_network(config: CfgNode, aux_mode: str = EVAL) -> nn.Module:
    """Builds the network with its first weights. `aux_mode`: train, with the auxiliary heads, or eval."""
    user = user_network(config)
    if user is None:
        return build_model(config.MODEL.NAME, config.DATASET.NUM_CLASSES, aux_mode)
    return load_user_network(user, config.DATASET.NUM_CLASSES, _size(config), channels_of(config), aux_mode == TRAIN)[0]


def load_weights(config: CfgNode, network: nn.Module, path: Any) -> None:
    """Loads a float checkpoint; without a `path` the user's network keeps its weights."""
    if path is None:
        _say_own_weights(config.MODEL.NAME)
        return
    try:
        load_checkpoint(network, path)
    except UserError as error:
        if not names_own(config.MODEL.NAME):
            raise
        raise UserError(f"{error}, or set TEST.MODEL_FILE '' for the weights that the network comes with") from error


@cache
def _say_own_weights(name: str) -> None:
    log.info("TEST.MODEL_FILE is empty: taking the weights that MODEL.NAME %s gives", name)


def network_spec(config: CfgNode) -> NetworkSpec:
    """Returns the network's row."""
    user = user_network(config)
    return resolve(config.MODEL.NAME) if user is None else facts_of(config, user).spec


def task_of(config: CfgNode) -> Task:
    """Returns the task of the network; UserError for one whose outputs can't be read here."""
    spec = network_spec(config)
    name = spec.task
    if name not in TASKS:
        raise UserError(
            f"MODEL.NAME {config.MODEL.NAME} is a network for {name}, and tasks are {', '.join(TASKS)}; check and the "
            "library's functions take it"
        )
    if name == DETECTION.name:
        return with_anchors(DETECTION, _anchors(config.TEST.MODEL_FILE) or spec.anchors)
    if name == KEYPOINTS.name:
        descriptor = read_descriptor(config.DATASET.DESCRIPTOR or config.DATASET.DATASET)
        return with_points(KEYPOINTS, descriptor.class_set.names, descriptor.sigmas, descriptor.skeleton)
    return TASKS[name]


def _anchors(path: str) -> Anchors:
    """Width and height in pixels of a detector's anchors, by stride, as its checkpoint has them; () without one."""
    try:
        file = find_checkpoint(path)
        seen = file.stat()
    except (UserError, OSError):  # who loads the weights says so
        return ()
    return _read_anchors(file, (seen.st_mtime_ns, seen.st_size)) if file.is_file() else ()


@lru_cache(maxsize=8)  # a command asks for the task again and again
def _read_anchors(path: Path, seen: tuple[int, ...]) -> Anchors:
    return anchors_in(read_tensors(path))


def anchors_in(tensors: Mapping[str, Tensor]) -> Anchors:
    """Width and height in pixels of the anchors that a detector's tensors have, by stride; () for others."""
    cells = [tensor for name, tensor in tensors.items() if name.rpartition(".")[2] == "anchors"]
    if len(cells) != 1 or cells[0].ndim != 3 or len(cells[0]) != len(STRIDES):
        return ()
    pixels = (cells[0].float() * torch.tensor(STRIDES).view(-1, 1, 1)).tolist()
    return tuple(tuple((width, height) for width, height in level) for level in pixels)


def require_maps(config: CfgNode, command: str) -> None:
    """UserError for a network that doesn't give a class for every pixel, which `command` needs."""
    task = task_of(config)
    if not task.maps:
        raise UserError(
            f"MODEL.NAME {config.MODEL.NAME} is a network for {task.name}, and {command} takes segmentation"
        )


def facts_of(config: CfgNode, user: UserNetwork) -> Facts:
    """Returns what is known of the user's network as its code is now."""
    kwargs = json.dumps(user.kwargs, default=str, sort_keys=True)
    seen = (user.source, os.getcwd(), kwargs, user.output, user.name, user.task)
    return _facts(_Request(seen, user), config.DATASET.NUM_CLASSES, _size(config), channels_of(config))


@dataclass(frozen=True)
class _Request:
    """A user's network, told apart by what it was seen as."""

    seen: tuple[Any, ...]
    user: UserNetwork

    def __hash__(self) -> int:
        return hash(self.seen)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Request) and self.seen == other.seen


@lru_cache(maxsize=8)
def _facts(request: _Request, classes: int, size: tuple[int, int], channels: int) -> Facts:
    network, spec = load_user_network(request.user, classes, size, channels)
    if names_onnx(request.user.name):
        prove_equal(request.user, network, spec)
    spec = replace(spec, smallest_side=min(spec.smallest_side, *size))
    return Facts(spec, graph_digest(network, size, channels), _weights_digest(network))


def _size(config: CfgNode) -> tuple[int, int]:
    width, height = config.TEST.IMAGE_SIZE
    return height, width


def channels_of(config: CfgNode) -> int:
    """Returns how many channels pictures have, as DATASET.MEAN says; UserError where the network takes another number.

    A registered network and target j5 take three.
    """
    channels = len(config.DATASET.MEAN)
    if channels != RGB and not names_own(config.MODEL.NAME):
        raise UserError(f"MODEL.NAME {config.MODEL.NAME} takes {RGB} channels and DATASET.MEAN has {channels} numbers")
    if channels != RGB and config.QUANT.TARGET == "j5":
        raise UserError(f"QUANT.TARGET j5 takes pictures of {RGB} channels and DATASET.MEAN has {channels} numbers")
    return channels


def network_origin(config: CfgNode) -> dict[str, Any]:
    """Returns what decides every stage: a registered network's name, or the graph, KWARGS and OUTPUT of one's own."""
    user = user_network(config)
    if user is None:
        return {"MODEL.NAME": config.MODEL.NAME}
    kwargs = json.dumps(user.kwargs, default=str, sort_keys=True)
    task = {} if user.task == SEGMENTATION.name else {"MODEL.TASK": user.task}
    return {DIGEST: facts_of(config, user).digest, "MODEL.KWARGS": kwargs, "MODEL.OUTPUT": user.output, **task}


def own_weights(config: CfgNode) -> str:
    """Returns the digest of the weights that a user's network comes with; "" for a registered network."""
    user = user_network(config)
    return "" if user is None else facts_of(config, user).weights


def graph_digest(network: nn.Module, size: tuple[int, int], channels: int = 3) -> str:
    """Returns the digest of the traced graph: each step, its module, its output's shape; the state's shapes.

    Weights don't count; constants that no checkpoint holds do.
    """
    graph = _trace(network, size, channels)
    state = network.state_dict()
    constants = ((name, value) for name, value in graph.named_buffers() if name not in state)
    lines = [*_steps(graph), *(f"{name} {tuple(value.shape)} {value.dtype}" for name, value in state.items())]
    return sha256_text("\n".join([*lines, _digest(constants)]))


def _trace(network: nn.Module, size: tuple[int, int], channels: int) -> fx.GraphModule:
    for small in (SMALL, OTHER):
        with suppress(UserError):  # a network for one size
            return trace(network, torch.zeros(1, channels, *small))
    return trace(network, torch.zeros(1, channels, *size))


def _steps(graph: fx.GraphModule) -> Iterator[str]:
    modules = dict(graph.named_modules())
    for node in graph.graph.nodes:
        target = node.target if isinstance(node.target, str) else f"{node.target.__module__}.{node.target.__name__}"
        module = modules[target] if node.op == "call_module" else ""
        yield f"{node.op} {node.name} {target} {module} {node.args} {node.kwargs}"


def _weights_digest(network: nn.Module) -> str:
    return _digest(network.state_dict().items())


def _digest(tensors: Any) -> str:
    found = hashlib.sha256()
    for name, value in tensors:
        found.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        found.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
