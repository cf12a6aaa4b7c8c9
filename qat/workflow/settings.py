"""The settings of the rooms below, read from a config."""

from __future__ import annotations

from yacs.config import CfgNode

from qat.backends.horizon import Options
from qat.backends.select import Choice, choose_backend
from qat.backends.spec import QuantSpec
from qat.data import DataSpec, Descriptor, built_in_digest, digest, read_descriptor
from qat.data.augmentation import TrainingTransform
from qat.data.class_folder import ClassTransform
from qat.data.descriptor import BOXES, FOLDERS, KEYPOINTS, Streets
from qat.data.fit import Fit, Size
from qat.data.object_augmentation import ObjectTransform
from qat.data.person_augmentation import PersonTransform, mirrored
from qat.data.transforms import InferenceTransform
from qat.deploy.letterbox import LETTERBOX
from qat.errors import UserError
from qat.workflow.network import channels_of, network_spec

DESCRIPTOR = "DATASET.DATASET descriptor (sha256)"  # how a record names it


def quant_spec(config: CfgNode) -> QuantSpec:
    """Reads the quantisation scheme of section QUANT."""
    quant = config.QUANT
    averaging = quant.AVERAGING_CONSTANT
    return QuantSpec(
        scheme=quant.SCHEME,
        observer=quant.OBSERVER,
        weight_observer=quant.WEIGHT_OBSERVER,
        percentile=float(quant.PERCENTILE),
        averaging_constant=None if averaging is None else float(averaging),
        engine=quant.ENGINE,
        high_precision=tuple(quant.HIGH_PRECISION),
        allow_float=quant.ALLOW_FLOAT,
    )


def plugin_options(config: CfgNode) -> Options:
    """Reads what Horizon's plugin needs to know of the device and its input."""
    data, quant, compiling = config.DATASET, config.QUANT, config.COMPILE
    batches = -(-quant.CALIB_IMAGES // quant.CALIB_BATCH_SIZE)
    return Options(tuple(data.MEAN), tuple(data.STD), compiling.MARCH, compiling.INPUT_SOURCE, batches)


def backend_choice(config: CfgNode) -> Choice:
    """Chooses the backend by QUANT.BACKEND and QUANT.TARGET, with the reason."""
    return choose_backend(config.QUANT.BACKEND, config.QUANT.TARGET, plugin_options(config))


def descriptor_of(config: CfgNode) -> Descriptor:
    """Reads the descriptor that DATASET.DATASET names."""
    return read_descriptor(config.DATASET.DESCRIPTOR or config.DATASET.DATASET)


def data_spec(config: CfgNode) -> DataSpec:
    """Reads which pictures section DATASET names."""
    data, descriptor = config.DATASET, descriptor_of(config)
    _check_labels(config, descriptor)
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
        channels=channels_of(config),
        size=_sides(config) if network_spec(config).task == "classification" else None,
        person=_sides(config) if network_spec(config).task == "keypoints" else None,
    )


def _sides(config: CfgNode) -> tuple[int, int]:
    width, height = config.TEST.IMAGE_SIZE
    return width, height


def _check_labels(config: CfgNode, descriptor: Descriptor) -> None:
    """UserError for labels of another task than the network's."""
    task = network_spec(config).task
    held = next((kind for kind in _HELD.values() if kind in descriptor.encodings), "pixels")
    wanted = _HELD.get(task, "pixels")
    if not descriptor.labels or held == wanted:
        return
    raise UserError(
        f"MODEL.NAME {config.MODEL.NAME} is a network for {task} and DATASET.DATASET {config.DATASET.DATASET} has "
        f"labels of {held}; give a data set with labels of {wanted} ({_EXAMPLES[wanted]})"
    )


_HELD = {
    "detection": BOXES,
    "classification": FOLDERS,
    "keypoints": KEYPOINTS,
}  # what labels say, by task; of others the class of each pixel
_EXAMPLES = {
    BOXES: "labels: {boxes: ...}, as streets_objects",
    FOLDERS: "labels: folders, as streets_crops",
    KEYPOINTS: "labels: {keypoints: ...}, as streets_persons",
    "pixels": "such as streets",
}


def training_transform(config: CfgNode) -> TrainingTransform | ObjectTransform | ClassTransform | PersonTransform:
    """Reads the augmentation of section TRAIN."""
    train, data = config.TRAIN, config.DATASET
    width, height = train.IMAGE_SIZE
    mean, std = tuple(data.MEAN), tuple(data.STD)
    if network_spec(config).task == "classification":
        return ClassTransform((width, height), mean, std, train.MULTI_SCALE, train.FLIP, train.COLOR)
    if network_spec(config).task == "keypoints":
        points = mirrored(descriptor_of(config).class_set.names)
        return PersonTransform((width, height), mean, std, points, train.MULTI_SCALE, train.FLIP, train.COLOR)
    if network_spec(config).task == "detection":
        return ObjectTransform(
            crop=(width, height),
            base_size=train.BASE_SIZE,
            multi_scale=train.MULTI_SCALE,
            flip=train.FLIP,
            color=train.COLOR,
            mean=mean,
            std=std,
        )
    return TrainingTransform(
        crop=(width, height),
        base_size=train.BASE_SIZE,
        scale_factor=train.SCALE_FACTOR,
        multi_scale=train.MULTI_SCALE,
        flip=train.FLIP,
        color=train.COLOR,
        mean=mean,
        std=std,
    )


def inference_transform(config: CfgNode, size: Size | None = None) -> InferenceTransform:
    """Returns the transform of calibration and evaluation.

    With TEST.FIT letterbox pictures go between bars of `size` (height, width), by default TEST.IMAGE_SIZE.
    """
    width, height = config.TEST.IMAGE_SIZE
    return InferenceTransform((size or (height, width)) if config.TEST.FIT == LETTERBOX else None)


def fit_of(config: CfgNode, size: Size | None = None) -> Fit:
    """Returns how pictures go into the network: TEST.FIT; `size`: height and width that they are scaled to first."""
    return Fit(config.TEST.FIT, network_spec(config).side_multiple, size)


def graph_size(config: CfgNode) -> list[int]:
    """Returns width and height that the int8 graph is built for: TEST.IMAGE_SIZE, fitted."""
    width, height = config.TEST.IMAGE_SIZE
    return list(fit_of(config).network_size((height, width)))[::-1]


def descriptor_origin(config: CfgNode) -> dict[str, str]:
    """Returns the descriptor's digest, which decides every stage."""
    return {DESCRIPTOR: digest(descriptor_of(config))}


def built_in_origin(config: CfgNode) -> dict[str, str | None]:
    """Returns the digest for older records, which lack one: that of the built-in descriptor of the same name."""
    return {DESCRIPTOR: built_in_digest(config.DATASET.DATASET)}
