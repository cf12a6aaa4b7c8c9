"""FX graph-mode quantisation: prepare (observe), fake-quantise, convert to real int8 kernels."""

from __future__ import annotations

import copy
import operator
import warnings

import torch
from torch import Tensor, fx, nn

from qat.ao import QConfigMapping, convert_fx, prepare_fx
from qat.backends.fx.concatenation import free_inputs, free_operands, lower_concatenations, mixed_concatenations
from qat.backends.fx.grids import keep_grids, round_all, round_before_moves, round_tensors_only
from qat.backends.fx.islands import ACTIVATION, refuse, refuse_errors
from qat.backends.fx.qconfig import SIGMOIDS, backend_config, leave_in_float, qconfig_mapping, set_qconfig_scales
from qat.backends.integer_resampling import resample_integers
from qat.backends.quantiser import ActivationQuantiser, OnGrid
from qat.backends.scales import (
    freeze_scales,
    keep_shape,
    keep_spec,
    quantisers,
    remove_kept_roundings,
    reset_scales,
    spec_of,
)
from qat.backends.spec import QuantSpec, float_output_modules, float_resizings
from qat.backends.weight_scales import add_weight_scales, round_weight, weighted
from qat.engine import activate, engine_in_use
from qat.errors import UserError, nearest
from qat.graph import Rewritten
from qat.graph.nodes import is_tensor, value_of
from qat.graph.ops import INT8_LAYERS
from qat.graph.source import first_line
from qat.observers.ranges import OBSERVERS

_SCALAR_OPS = (operator.add, operator.mul, torch.add, torch.mul)


def prepare(rewritten: Rewritten, spec: QuantSpec | None = None) -> fx.GraphModule:
    """Fold batch normalisation and put an observer behind each activation: a graph that is ready for `calibrate`.

    Args:
        rewritten: what `qat.rewrite` gives; it stays as it is.
        spec: the quantisation scheme, symmetric by default.

    Returns:
        A graph that takes pictures (N, 3, H, W) of the size that it was rewritten for.

    Raises:
        UserError: for an observer, an engine or a module's name that isn't known, and for an operation that would run
            in float between int8 layers or that `check` reports as an error, unless the spec allows it.

    Example:
        >>> import torch, qat
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1)).eval()
        >>> picture = torch.randn(1, 3, 16, 16)
        >>> prepared = qat.prepare(qat.rewrite(model, picture, "x86"))
        >>> prepared(picture).shape
        torch.Size([1, 4, 14, 14])
    """
    spec = spec or QuantSpec()
    if spec.observer not in OBSERVERS:
        raise UserError(f"backend fx has no observer {spec.observer}; {nearest(spec.observer, OBSERVERS)}")
    float_output = float_output_modules(rewritten.module, spec.high_precision)
    mapping = qconfig_mapping(spec, float_output)
    leave_in_float(mapping, rewritten.module, float_resizings(rewritten.module))
    examples = tuple(torch.zeros(shape) for shape in rewritten.shapes)
    graph = copy.deepcopy(rewritten.module).eval()
    prepared = _observed(graph, mapping, examples, spec)
    keep_spec(prepared, spec)
    keep_shape(prepared, rewritten.shapes[0])
    round_tensors_only(prepared, rewritten.shapes)
    _round_inputs(prepared, spec, float_output)
    free_inputs(prepared, spec)
    _pass_constants(prepared, spec)
    free_operands(prepared, spec, _is_scalar_op)
    round_all(prepared, spec)
    round_before_moves(prepared, spec)
    keep_grids(prepared)
    _name_observers(prepared)
    add_weight_scales(prepared)
    _keep_origins(rewritten.module, prepared)
    prepared.recompile()
    if not spec.allow_float:
        refuse(prepared)
        refuse_errors(rewritten)
    return prepared


def _observed(
    graph: fx.GraphModule, mapping: QConfigMapping, examples: tuple[Tensor, ...], spec: QuantSpec
) -> fx.GraphModule:
    """`graph` with torch.ao's observers; what torch.ao stumbles over is one line."""
    with engine_in_use(spec.engine), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation; what torch.ao won't quantise is in `check`'s list
        try:
            return prepare_fx(graph, mapping, examples, backend_config=backend_config())
        except Exception as error:  # torch raises whatever it likes, asserts too
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise UserError(
                f"torch.ao's prepare_fx can't take this network ({reason}); `check` names its operations: "
                "write those at fault in another way, and please report this network"
            ) from error


def _keep_origins(rewritten: fx.GraphModule, prepared: fx.GraphModule) -> None:
    """Give calls their source line and module back, which torch.ao loses: it traces again, with names of its own."""
    calls = _calls(prepared)
    for called, originals in _calls(rewritten).items():
        if len(calls.get(called, ())) == len(originals):
            for node, original in zip(calls[called], originals, strict=True):
                node.meta |= {key: original.meta.get(key) for key in ("stack_trace", "nn_module_stack")}
                node.meta[ACTIVATION] = is_tensor(original) and value_of(original).is_floating_point()


def _calls(graph: fx.GraphModule) -> dict[tuple[str, object], list[fx.Node]]:
    calls: dict[tuple[str, object], list[fx.Node]] = {}
    for node in graph.graph.nodes:
        calls.setdefault((node.op, node.target), []).append(node)
    return calls


def _round_inputs(prepared: fx.GraphModule, spec: QuantSpec, float_output: list[str]) -> None:
    """Round what a layer with float output reads straight from the input: torch.ao leaves that in float."""
    for node in [node for node in prepared.graph.nodes if node.op == "placeholder"]:
        readers = [user for user in node.users if user.op == "call_module" and user.target in float_output]
        if readers:
            rounded = _rounded_input(prepared, spec, node)
            for reader in readers:
                reader.replace_input_with(node, rounded)


def _rounded_input(prepared: fx.GraphModule, spec: QuantSpec, node: fx.Node) -> fx.Node:
    """The quantiser's call on an input; a new one where nothing else reads the input rounded."""
    calls = {call.all_input_nodes[0]: call for call, _ in quantisers(prepared)}
    if node not in calls:
        name = f"{node.name}_quantiser"
        prepared.add_submodule(name, ActivationQuantiser(spec))
        with prepared.graph.inserting_after(node):
            return prepared.graph.call_module(name, (node,))
    return calls[node]


def _pass_constants(prepared: fx.GraphModule, spec: QuantSpec) -> None:
    """Round nothing after a constant was added or multiplied: int8 kernels move the grid instead."""
    for node, _ in list(quantisers(prepared)):
        source = node.all_input_nodes[0]
        if _is_scalar_op(source):
            node.target = f"{node.target}_on_grid_{source.name}"
            prepared.add_submodule(node.target, OnGrid(spec))


def _name_observers(prepared: fx.GraphModule) -> None:
    """Name each observer after the first node that it watches, for its messages."""
    for node, quantiser in quantisers(prepared):
        if not isinstance(quantiser, OnGrid) and not quantiser.observer.name:
            quantiser.observer.name = node.all_input_nodes[0].name


def _is_scalar_op(node: fx.Node) -> bool:
    return node.target in _SCALAR_OPS and not all(isinstance(arg, fx.Node) for arg in node.args[:2])


def observe(prepared: fx.GraphModule) -> None:
    """Observe from here on what passes, and round nothing; settled scales are open again."""
    reset_scales(prepared)
    for _, quantiser in quantisers(prepared):
        quantiser.observing(True)


def fake_quantized(prepared: fx.GraphModule) -> fx.GraphModule:
    """A copy that computes on int8 levels in float: what the int8 network gives, on any device.

    Args:
        prepared: a calibrated graph; it stays as it is.

    Returns:
        The copy, with its scales frozen and its weights and activations rounded.

    Raises:
        UserError: where observer auto has chosen no range yet.

    Example:
        >>> import torch, qat
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1)).eval()
        >>> picture = torch.randn(1, 3, 16, 16)
        >>> prepared = qat.prepare(qat.rewrite(model, picture, "x86"))
        >>> _ = qat.calibrate(prepared, [picture])
        >>> levels = qat.fake_quantized(prepared)(picture)
        >>> bool((levels - model(picture)).abs().max() < 0.1 * model(picture).abs().max())
        True
    """
    model = frozen(prepared)
    for module in weighted(model):
        round_weight(module)
    resample_integers(model, {node: quantiser for node, quantiser in quantisers(model) if quantiser.bits == 8})
    return model


def frozen(prepared: fx.GraphModule) -> fx.GraphModule:
    """A copy whose scales are settled and whose activations are rounded; weights as they are."""
    model = copy.deepcopy(prepared)
    freeze_scales(model)
    for _, quantiser in quantisers(model):
        quantiser.observing(False)
    return model


def float_view(prepared: fx.GraphModule) -> fx.GraphModule:
    """A copy of a prepared graph, with its layers' names and weights, that neither observes nor rounds."""
    model = copy.deepcopy(prepared)
    for node, _ in list(quantisers(model)):
        model.set_submodule(str(node.target), nn.Identity())
    return model.eval()


def convert(prepared: fx.GraphModule) -> fx.GraphModule:
    """The int8 graph with torch.ao's kernels, as they are; the modules with float output run on int8-rounded weights.

    The spec's engine becomes torch's current one and stays it: qnnpack's kernels look at it whenever they run.
    UserError for an engine that this torch lacks, or where an activation was never seen.
    """
    spec = spec_of(prepared)
    activate(spec.engine)
    model = copy.deepcopy(prepared).cpu()
    freeze_scales(model)
    set_qconfig_scales(model)
    concatenations = mixed_concatenations(model)
    remove_kept_roundings(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = convert_fx(model, backend_config=backend_config())
    lower_sigmoids(converted, spec)
    lower_concatenations(converted, concatenations)
    for module in weighted(converted):  # only those left in float: the tail
        round_weight(module)
    return converted


def lower_sigmoids(converted: fx.GraphModule, spec: QuantSpec) -> None:
    """Give each sigmoid its calibrated grid: torch.sigmoid on an int8 tensor always gives scale 1/256, zero point 0."""
    scale, zero_point = spec.unit_qparams
    for node in converted.graph.nodes:
        if _operation(converted, node) in SIGMOIDS and _is_int8(converted, node.all_input_nodes[0]):
            node.op, node.target = "call_function", torch.ops.quantized.sigmoid
            node.args, node.kwargs = (node.args[0], scale, zero_point), {}
    converted.recompile()


def _operation(graph: fx.GraphModule, node: fx.Node) -> object:
    return type(graph.get_submodule(str(node.target))) if node.op == "call_module" else node.target


def _is_int8(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node of the converted graph gives a quantised tensor; pooling and the like give what they take."""
    if node.target is torch.quantize_per_tensor or str(node.target).startswith("quantized."):
        return True
    if node.op in ("placeholder", "get_attr") or node.target == "dequantize":
        return False
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        if isinstance(module, INT8_LAYERS) or ".quantized" in type(module).__module__:
            return not isinstance(module, INT8_LAYERS)
    return any(_is_int8(graph, source) for source in node.all_input_nodes)


def to_torchscript(model: nn.Module, example: Tensor) -> torch.jit.ScriptModule:
    """Trace and freeze: the same kernels without Python between them."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script: torch.jit.ScriptModule = torch.jit.freeze(torch.jit.trace(model, example, check_trace=False))
        return script
