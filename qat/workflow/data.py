"""The data set's and the transform's settings, read from a config."""

from __future__ import annotations

from yacs.config import CfgNode

from qat.data import DataSpec, Descriptor, built_in_digest, digest, read_descriptor
from qat.data.augmentation import TrainingTransform
from qat.data.descriptor import Streets

DESCRIPTOR = "DATASET.DATASET descriptor (sha256)"  # how a record names it


def descriptor_of(config: CfgNode) -> Descriptor:
    """The descriptor that DATASET.DATASET names."""
    return read_descriptor(config.DATASET.DESCRIPTOR or config.DATASET.DATASET)


def data_spec(config: CfgNode) -> DataSpec:
    """Which pictures section DATASET names."""
    data, descriptor = config.DATASET, descriptor_of(config)
    generated = Streets(data.STREETS_TRAIN, data.STREETS_VAL, data.STREETS_SEED) if descriptor.streets else None
    return DataSpec(
        descriptor=descriptor,
        root=data.ROOT,
        train=data.TRAIN_SET,
        val=data.TEST_SET,
        num_classes=data.NUM_CLASSES,
        labels=data.LABELS,
        seed=config.TRAIN.SEED,
        streets=generated,
    )


def training_transform(config: CfgNode) -> TrainingTransform:
    """The augmentation that section TRAIN names."""
    train, data = config.TRAIN, config.DATASET
    width, height = train.IMAGE_SIZE
    return TrainingTransform(
        crop=(width, height),
        base_size=train.BASE_SIZE,
        scale_factor=train.SCALE_FACTOR,
        multi_scale=train.MULTI_SCALE,
        flip=train.FLIP,
        color=train.COLOR,
        mean=tuple(data.MEAN),
        std=tuple(data.STD),
    )


def descriptor_origin(config: CfgNode) -> dict[str, str]:
    """What a stage was made from: the descriptor's content."""
    return {DESCRIPTOR: digest(descriptor_of(config))}


def built_in_origin(config: CfgNode) -> dict[str, str | None]:
    """What an older record, which lacks the descriptor, was made from: the built-in one of that name."""
    return {DESCRIPTOR: built_in_digest(config.DATASET.DATASET)}
