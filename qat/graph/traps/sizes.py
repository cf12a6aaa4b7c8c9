"""Traps of slices, sizes, ranks and windows."""

from __future__ import annotations

from collections.abc import Iterator

from torch.fx import Node

from qat.graph.nodes import arguments, op_name, shape_of
from qat.graph.rules.adaptive_pool import window
from qat.graph.source import source_of
from qat.graph.traps.file import FileView, attribute, place_of
from qat.graph.traps.network import NetworkView, holds_node, rank_of
from qat.graph.traps.trap import Sighting, Trap
from qat.targets.table import pair

AXES = 4  # of a picture


def _stepped(view: NetworkView) -> Iterator[Sighting]:
    for node in view.nodes("getitem"):
        index = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
        steps = [part.step for part in index if isinstance(part, slice) and part.step not in (None, 1)]
        if steps:
            yield source_of(node), f"a slice with step {steps[0]}"


def _stepped_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.nodes("Slice"):
        steps = view.constants.get(node.input[4]) if len(node.input) > 4 else None
        if steps is not None and (steps != 1).any():
            yield place_of(node), f"steps {steps.tolist()}"


STRIDED_SLICE = Trap(
    "strided_slice",
    "runtimes and boards slice with a step slowly, or not at all (YOLOv5's Focus)",
    "Focus and its 3x3 convolution are one 6x6 convolution, stride 2, padding 2; else view and permute",
    _stepped,
    _stepped_in_file,
)


def _sized(view: NetworkView) -> Iterator[Sighting]:
    for node in view.nodes("interpolate"):
        given = arguments(node)
        name = next((name for name in ("size", "scale_factor") if holds_node(given.get(name))), "")
        if name:
            yield source_of(node), f"its {name} is computed from other tensors' shapes"


def _sized_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.nodes("Resize", "Upsample"):
        computed = [name for name in node.input[1:] if name and name not in view.constants]
        if computed:
            yield place_of(node), f"its size {computed[0]} is computed by {view.maker(computed[0]) or 'an input'}"


COMPUTED_RESIZE = Trap(
    "computed_resize",
    "Shape, Gather and Concat stay in the file, and converters stop at them or fix the wrong size",
    "give size or scale_factor as numbers (rule constant_sizes does it), or export with fixed sizes",
    _sized,
    _sized_in_file,
)


def _ranked(view: NetworkView) -> Iterator[Sighting]:
    for node in view.nodes():
        rank, before = rank_of(node), [rank_of(one) for one in node.all_input_nodes]
        if node.op != "output" and rank not in (None, AXES) and AXES in before:
            yield source_of(node), f"{op_name(node)} gives {rank} axes: {shape_of(node)}"


def _ranked_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.all_nodes:
        rank, before = view.rank(next(iter(node.output), "")), [view.rank(name) for name in node.input]
        if rank not in (None, AXES) and AXES in before:
            yield place_of(node), f"it gives {rank} axes"


RANK = Trap(
    "rank",
    "boards take tensors of four axes (N, C, H, W) and no others",
    "keep axes (keepdim=True, a 1x1 convolution for a linear layer), or do this part outside the file",
    _ranked,
    _ranked_in_file,
)


def off_rule(size: int, kernel: int, stride: int, out: int) -> bool:
    """Whether a pooling has `stride = in // out, kernel = in - (out - 1) * stride` where adaptive pooling differs.

    The rule is exact if and only if `in % out` is 0 or 1.

    >>> off_rule(25, 7, 3, 7), off_rule(9, 3, 2, 4), off_rule(16, 4, 4, 4)
    (True, False, False)
    """
    follows = (stride, kernel) == (size // out, size - (out - 1) * (size // out))
    return out > 1 and follows and size % out > 1


def _uneven(view: NetworkView) -> Iterator[Sighting]:
    for node in view.nodes("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        for size, out in _sides(node):
            if window(size, out) is None:
                yield source_of(node), f"{size} values into {out} windows, which aren't of one size and step"
    for node in view.nodes("avg_pool2d", "max_pool2d"):
        given = arguments(node)
        kernels, strides = pair(given["kernel_size"]), pair(given["stride"] or given["kernel_size"])
        if not any(pair(given["padding"])):
            yield from _off(source_of(node), _sides(node), kernels, strides)


def _sides(node: Node) -> list[tuple[int, int]]:
    return list(zip(shape_of(arguments(node)["input"])[2:], shape_of(node)[2:], strict=True))


def _off(
    place: str, sides: list[tuple[int, int]], kernels: tuple[float, ...], strides: tuple[float, ...]
) -> Iterator[Sighting]:
    for (size, out), kernel, stride in zip(sides, kernels, strides, strict=False):
        if off_rule(size, int(kernel), int(stride), out):
            yield (
                place,
                f"kernel {int(kernel)}, stride {int(stride)} for {size} -> {out}: not what adaptive pooling gives",
            )


def _uneven_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.nodes("AveragePool", "MaxPool"):
        kernels = tuple(attribute(node, "kernel_shape", ()))
        strides = tuple(attribute(node, "strides", (1,) * len(kernels)))
        sides = list(zip(view.sides(node.input[0]), view.sides(node.output[0]), strict=False))
        if not any(attribute(node, "pads", ())):
            yield from _off(place_of(node), sides, kernels, strides)


ADAPTIVE_POOLING = Trap(
    "adaptive_pooling",
    "one kernel and stride stand for it only where all windows are equal; elsewhere values are off",
    "sizes whose windows are equal (in % out is 0 or 1); this project's files write unequal windows one by one",
    _uneven,
    _uneven_in_file,
)


def _aligned(view: NetworkView) -> Iterator[Sighting]:
    for node in view.nodes("interpolate"):
        if arguments(node).get("align_corners"):
            yield source_of(node), "align_corners=True"


def _aligned_in_file(view: FileView) -> Iterator[Sighting]:
    for node in view.nodes("Resize"):
        if attribute(node, "coordinate_transformation_mode") == "align_corners":
            yield place_of(node), "coordinate_transformation_mode align_corners"


ALIGN_CORNERS = Trap(
    "align_corners",
    "some runtimes and boards know half-pixel resampling only, and shift the picture silently",
    "train with align_corners=False (MODEL.ALIGN_CORNERS False), or compare the consumer's output with this file's",
    _aligned,
    _aligned_in_file,
)
