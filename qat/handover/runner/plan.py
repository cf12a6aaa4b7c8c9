"""plan.json and the files beside it: what is to be done, and to which network."""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .mistake import Mistake, first_line

FORMAT = 1  # of the bundle; another number means other files or other meanings
PLAN, WEIGHTS, WEIGHT_SCALES, PROBES = "plan.json", "weights.npz", "weight_scales.npz", "probes.npz"
NETWORK, RESULTS, ANSWERS = "network", "results.json", "results.npz"
PARTS = {  # what plan.json's parts hold
    "input": ("height", "width", "picture", "fit", "source", "mean", "std"),
    "qconfig": ("activation_observer", "weight_observer", "activation_qkwargs"),
    "compiler": ("opt", "jobs", "name", "picture"),
    "calibration": ("batch", "pictures"),
}


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise Mistake(f"can't read {path}: {error.strerror}; copy the whole bundle") from error


def arrays(path: Path) -> dict[str, Any]:
    """The arrays of an .npz file by name; nothing in it is unpickled."""
    try:
        with np.load(str(path), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # zip, zlib and numpy have errors of their own
        raise Mistake(f"can't read {path}: {first_line(error)}; copy the whole bundle again") from error


def tensors(path: Path) -> dict[str, Tensor]:
    """The same as tensors."""
    return {name: torch.from_numpy(value) for name, value in arrays(path).items()}


class Plan:
    """The bundle in `folder`; UserError's like, Mistake, where it is damaged or of another format."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.values = self._read()
        self._check_parts()
        self.digest = sha256(folder / PLAN)
        self.weights_digest = sha256(folder / WEIGHTS)
        if self.weights_digest != self["weights_sha256"]:
            raise Mistake(f"{folder / WEIGHTS} isn't the file that {PLAN} names; copy the whole bundle again")

    def __getitem__(self, key: str) -> Any:
        """A part of plan.json."""
        if key not in self.values:
            raise Mistake(f"{self.folder / PLAN} has no `{key}`; write the bundle again: rtseg-qat handover")
        return self.values[key]

    def _read(self) -> dict[str, Any]:
        path = self.folder / PLAN
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise Mistake(f"can't read {path}: {error.strerror}; run.py lies in the bundle that it runs") from error
        except ValueError as error:
            raise Mistake(f"{path} is damaged ({first_line(error)}); copy the whole bundle again") from error
        found = values.get("format") if isinstance(values, dict) else None
        if found != FORMAT:
            raise Mistake(
                f"{path} has format {found} and this run.py reads format {FORMAT}; write the bundle again with one "
                "version of rtseg-qat"
            )
        return dict(values)

    def _check_parts(self) -> None:
        for part, names in PARTS.items():
            held = self[part] if isinstance(self[part], dict) else {}
            for name in names:
                if name not in held:
                    raise Mistake(f"{self.folder / PLAN} has no `{part}.{name}`; copy the whole bundle again")

    def network(self, quant_stub: Any = nn.Identity, dequant_stub: Any = nn.Identity) -> nn.Module:
        """The float network with its weights, in eval mode on the CPU."""
        network = self._blank_network(quant_stub, dequant_stub)
        try:
            network.load_state_dict(tensors(self.folder / WEIGHTS))
        except RuntimeError as error:
            raise Mistake(f"{WEIGHTS} doesn't fit {NETWORK}.py: {first_line(error)}; copy the whole bundle") from error
        return network.eval()

    def _blank_network(self, quant_stub: Any, dequant_stub: Any) -> nn.Module:
        sys.path.insert(0, str(self.folder))
        sys.modules.pop(NETWORK, None)  # another bundle's
        try:
            network: nn.Module = importlib.import_module(NETWORK).Network(quant_stub, dequant_stub)
        except Exception as error:  # whatever a file that was cut or edited raises
            path = self.folder / f"{NETWORK}.py"
            raise Mistake(f"{path} doesn't run ({first_line(error)}); copy the whole bundle again") from error
        finally:
            sys.path.remove(str(self.folder))
        return network

    def weight_scales(self) -> dict[str, Tensor]:
        """The scales (channels,) that weights were rounded by here, by layer; empty where no method set them."""
        path = self.folder / WEIGHT_SCALES
        return tensors(path) if self["weight_scales"] else {}
