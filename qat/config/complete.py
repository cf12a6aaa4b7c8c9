"""What a config doesn't set: from the data set's descriptor, else from the network, else the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yacs.config import CfgNode

from qat.config.defaults import PATHS
from qat.errors import UserError
from qat.resources import built_in_descriptor, expand, expand_set, find_descriptor

if TYPE_CHECKING:
    from qat.data.descriptor import Descriptor

_AT_ONCE = ("OUTPUT_DIR", "LOG_DIR", "DATASET.DATASET")  # paths that every stage needs; others where they are read


def complete(cfg: CfgNode) -> None:
    """Fill what is None from the data set's descriptor, and each `${NAME}` of a path that the environment has.

    Raises UserError for a descriptor that isn't there or isn't right, and for values that contradict it.
    """
    descriptor = _name_descriptor(cfg)
    for name, value in _values(cfg, descriptor).items():
        if cfg.DATASET[name] is None:
            cfg.DATASET[name] = value
    for key in PATHS:
        node, name = _node(cfg, key)
        node[name] = expand(node[name], key) if key in _AT_ONCE else expand_set(node[name])
    _check_classes(cfg, len(descriptor.classes))


def _name_descriptor(cfg: CfgNode) -> Descriptor:
    """Read the descriptor; DATASET.DATASET becomes its name, DESCRIPTOR its place where it isn't the project's own."""
    from qat.data.descriptor_file import read_descriptor

    data = cfg.DATASET
    path = find_descriptor(data.DESCRIPTOR or expand(data.DATASET, "DATASET.DATASET"))
    descriptor = read_descriptor(path)
    if data.DESCRIPTOR and descriptor.name != data.DATASET:
        raise UserError(
            f"DATASET.DATASET is {data.DATASET} and DATASET.DESCRIPTOR {data.DESCRIPTOR} describes {descriptor.name}; "
            "leave DATASET.DESCRIPTOR out, or set it to ''"
        )
    own = built_in_descriptor(descriptor.name)
    data.DATASET = descriptor.name
    data.DESCRIPTOR = "" if own is not None and own.resolve() == path.resolve() else str(path.resolve())
    return descriptor


def _values(cfg: CfgNode, descriptor: Descriptor) -> dict[str, Any]:
    """What the keys of DATASET are where they aren't set."""
    from qat.models import resolve

    network, streets = resolve(cfg.MODEL.NAME), descriptor.streets
    return {
        "ROOT": descriptor.root,
        "NUM_CLASSES": len(descriptor.classes),
        "TRAIN_SET": descriptor.train,
        "TEST_SET": descriptor.val,
        "LABELS": "auto",
        "MEAN": list(descriptor.mean or network.mean),
        "STD": list(descriptor.std or network.std),
        "STREETS_TRAIN": streets and streets.train,
        "STREETS_VAL": streets and streets.val,
        "STREETS_SEED": streets and streets.seed,
    }


def _check_classes(cfg: CfgNode, count: int) -> None:
    data = cfg.DATASET
    if count != data.NUM_CLASSES and data.LABELS != "trainIds":
        raise UserError(
            f"DATASET.NUM_CLASSES is {data.NUM_CLASSES} and data set {data.DATASET} has {count} classes; leave it out, "
            "or set DATASET.LABELS trainIds where the labels hold train ids of your own"
        )


def _node(cfg: CfgNode, key: str) -> tuple[CfgNode, str]:
    section, _, name = key.rpartition(".")
    return (cfg[section] if section else cfg), name
