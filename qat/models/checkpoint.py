"""Reads float checkpoints in their common forms: strictly for a stage, as many tensors as fit for a training."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from qat.errors import UserError
from qat.models.likeness import likeliest
from qat.models.placement import placed
from qat.models.registry import NETWORKS
from qat.models.tensor_files import read_file
from qat.models.unusable import check_usable
from qat.resources import find_checkpoint

PREFIXES = ("module.model.", "model.", "module.")
AUXILIARY = tuple({prefix for network in NETWORKS for prefix in network.auxiliary})
LOSS_KEYS = ("sem_loss.", "bd_loss.")
HOLDERS = (  # keys under which training scripts save a state dict, in the order in which they are looked for
    *("state_dict", "model", "model_state_dict", "state_dict_ema", "model_ema", "ema_state_dict", "ema"),
    *("net", "network", "weights", "params"),
)
WRAPPERS = (
    "module",
    "model",
    "_orig_mod",
    "net",
    "network",
)  # first parts of keys: DataParallel's, torch.compile's ...
BOOKKEEPING = ("total_ops", "total_params", "n_averaged")  # thop's and AveragedModel's
COUNTER = "num_batches_tracked"  # which no inference reads, and some files lack
SHOWN = 8
FEW = 100  # tensors, which no registered network does with
_log = logging.getLogger(__name__)


def load_checkpoint(model: nn.Module, path: str | Path) -> list[str]:
    """Load a checkpoint into `model`, whole or not at all.

    A `.safetensors`, `.npz` or `.pkl` (arrays by name) file, or one of torch's, of which no code is run: a module that
    was pickled whole gives its tensors. It holds a state dict, bare or under the keys that training scripts use
    (`HOLDERS`, also one in another), with keys as they are, under any nesting of `WRAPPERS` (`module._orig_mod.`), or
    without the prefix that all of the model's own have; the loss's own keys, thop's counts and an average's may stand
    beside them. Auxiliary heads of the registered networks (see `NetworkSpec`) and loss keys that the model
    hasn't are left out and named.

    Args:
        model: takes the tensors, in place.
        path: of the file.

    Returns:
        Lines to log: how many tensors were loaded, and the names of those that were left out.

    Raises:
        UserError: if the file is missing or damaged, or a tensor is missing, unexpected, of another shape, not finite,
            or of a type that no network computes with; the model then stays as it was.

    Example:
        >>> import tempfile, torch
        >>> layer = nn.Linear(2, 3)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"state_dict": layer.state_dict()}, f"{folder}/layer.pt")
        ...     lines = load_checkpoint(nn.Linear(2, 3), f"{folder}/layer.pt")
        >>> lines[0].split(" from ")[0]
        'loaded 2 tensors'
    """
    wanted = model.state_dict()
    state, left_out = fitting_form(read_tensors(path), wanted)
    problems = list(differences(wanted, state))
    if problems:
        raise UserError(f"{path} doesn't fit {type(model).__name__}: {_shorten(problems)}; {_advice(state, wanted)}")
    check_usable(path, state, wanted)
    model.load_state_dict(state)
    log = [f"loaded {len(state)} tensors from {path}"]
    return log + ([f"not used by this form of the network: {', '.join(left_out)}"] if left_out else [])


def _advice(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    lacking = wanted.keys() - state.keys()
    if lacking and state.keys() < wanted.keys() and all(key.startswith(AUXILIARY) for key in lacking):
        return "it is the eval form, and this is the train form: build the network with aux_mode eval"
    name = likeliest(state) if len(state) > FEW else ""
    if name and name != likeliest(wanted):
        return f"its tensors have the names and sizes of MODEL.NAME {name}: set that"
    heads = {key.partition(".")[0] for key in state}
    if len(heads) == 1 and not any(key.startswith(f"{min(heads)}.") for key in wanted):
        return f"all of its keys begin with {min(heads)}., which the network's don't: save it without"
    return "check MODEL.NAME and DATASET.NUM_CLASSES"


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Returns the tensors of a checkpoint file by their stored keys; UserError if it is missing, damaged or unsafe."""
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"no checkpoint at {str(path) or '(empty path)'}; set TEST.MODEL_FILE to a .pt, .pth or .safetensors file"
        )
    loaded = read_file(path)
    if not isinstance(loaded, dict):
        raise UserError(f"{path} holds a {type(loaded).__name__}; expected a state dict of tensors")
    if not isinstance(loaded.get("state_dict", {}), dict):
        raise UserError(f"{path} holds a {type(loaded['state_dict']).__name__} as state_dict; expected tensors by name")
    state = _joined(_held(loaded))
    tensors = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(
            f"{path} holds no tensors (keys: {', '.join(map(str, state)) or 'none'}); expected a state dict"
        )
    return tensors


def _held(loaded: dict[Any, Any]) -> dict[Any, Any]:
    """The innermost state dict that known keys hold."""
    for key in HOLDERS:
        inner = loaded.get(key)
        if isinstance(inner, dict) and _has_tensors(inner):
            return _held(inner)
    return loaded


def _joined(state: dict[Any, Any]) -> dict[Any, Any]:
    """One state dict of several, each a part's under the part's name, as BiSeNetV2's backbone file has them."""
    parts = [(name, part) for name, part in state.items() if isinstance(part, dict) and part]
    if len(parts) != len(state) or not all(isinstance(x, Tensor) for _, part in parts for x in part.values()):
        return state
    return {f"{name}.{key}": value for name, part in parts for key, value in part.items()}


def _has_tensors(tree: dict[Any, Any]) -> bool:
    return any(
        isinstance(value, Tensor) or (isinstance(value, dict) and _has_tensors(value)) for value in tree.values()
    )


def fitting_form(read: dict[str, Tensor], wanted: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Returns a checkpoint's tensors as the network calls them, and the keys left out.

    They are tried as they are, which a network with a part of a wrapper's name needs, then without each prefix, the
    longest first, then with the one that all of the network's own keys have. Where nothing fits, the form with the
    fewest differences is returned.
    """
    alone = ((prefix,) for prefix in PREFIXES)
    forms = [_for(wanted, read, []), *(_for(wanted, *strip(read, prefixes)) for prefixes in (PREFIXES, *alone))]
    forms += [_for(wanted, *strip(read, (prefix,))) for prefix in _wrapping(read)]
    forms += [_for(wanted, {own + key: value for key, value in read.items()}, []) for own in _own_prefix(wanted)]
    return min([forms[1], *forms], key=lambda form: len(list(differences(wanted, form[0]))))


def _wrapping(read: dict[str, Tensor]) -> list[str]:
    """Every prefix of the keys that is made of wrappers' names, the longest first.

    >>> _wrapping({"module._orig_mod.conv.weight": Tensor()})
    ['module._orig_mod.', 'module.']
    """
    found: set[str] = set()
    for key in read:
        prefix = ""
        for part in key.split(".")[:-1]:
            if part not in WRAPPERS:
                break
            prefix += f"{part}."
            found.add(prefix)
    return sorted(found, key=len, reverse=True)


def _own_prefix(wanted: dict[str, Tensor]) -> list[str]:
    """The first part of the keys, where all have the same."""
    first = {key.partition(".")[0] for key in wanted}
    return [f"{first.pop()}."] if len(first) == 1 else []


def _for(
    wanted: dict[str, Tensor], state: dict[str, Tensor], foreign: list[str]
) -> tuple[dict[str, Tensor], list[str]]:
    """Leaves out what only the train form has, and tools' counts; counters that the file lacks are the network's."""
    unknown = [key for key in state if key not in wanted]
    left_out = [key for key in unknown if key.startswith(AUXILIARY) or key.rpartition(".")[2] in BOOKKEEPING] + foreign
    counters = {key: value for key, value in wanted.items() if key.rpartition(".")[2] == COUNTER}
    is_bare = wanted.keys() - state.keys() == counters.keys()
    own = counters if is_bare else {}
    return {key: value for key, value in state.items() if key not in left_out} | own, left_out


def strip(state: dict[str, Tensor], prefixes: Iterable[str] = PREFIXES) -> tuple[dict[str, Tensor], list[str]]:
    """Removes the wrapper's prefix; returns the network's own tensors and the keys beside it (the loss's)."""
    for prefix in prefixes:
        inside = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
        if inside:
            outside = [key for key in state if not key.startswith(prefix)]
            foreign = [key for key in outside if key.removeprefix("module.").startswith(LOSS_KEYS)]
            return inside | {key: state[key] for key in outside if key not in foreign}, foreign
    foreign = [key for key in state if key.startswith(LOSS_KEYS)]
    return {key: value for key, value in state.items() if key not in foreign}, foreign


def differences(wanted: dict[str, Tensor], state: dict[str, Tensor]) -> Iterable[str]:
    """A line for each tensor that is missing, unexpected or of another shape."""
    for key in wanted.keys() - state.keys():
        yield f"missing {key}"
    for key in state.keys() - wanted.keys():
        yield f"unexpected {key}"
    for key in wanted.keys() & state.keys():
        if wanted[key].shape != state[key].shape:
            yield f"{key} is {tuple(state[key].shape)}, expected {tuple(wanted[key].shape)}"


def _shorten(problems: list[str]) -> str:
    problems = sorted(problems)
    more = len(problems) - SHOWN
    return ", ".join(problems[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def load_pretrained(model: nn.Module, path: str) -> None:
    """Load every tensor of `path` that `model` has in the same shape, to start a training; log the names of the rest.

    Official ImageNet checkpoints have no segmentation heads, and another data set has other classes: those parts keep
    their random weights. A backbone's own file, such as torchvision's resnet18, goes to where it fits. Raises UserError
    if the file is missing or no tensor fits.
    """
    state, foreign = strip(read_tensors(find_checkpoint(path, "MODEL.PRETRAINED")))
    wanted = model.state_dict()
    state = placed(state, wanted)
    fitting = {key: value for key, value in state.items() if key in wanted and value.shape == wanted[key].shape}
    if not fitting:
        raise UserError(f"nothing in MODEL.PRETRAINED {path} fits {type(model).__name__}; check MODEL.NAME")
    check_usable(path, fitting, wanted)
    model.load_state_dict(fitting, strict=False)
    _log.info("starting from %d of %d tensors of %s", len(fitting), len(state) + len(foreign), path)
    _log_names("keep their random weights", wanted.keys() - fitting.keys())
    _log_names("not used, the network has none such", (state.keys() - fitting.keys()) | set(foreign))


def _log_names(what: str, keys: set[str]) -> None:
    if keys:
        _log.info("%s: %s", what, ", ".join(sorted(keys)))
