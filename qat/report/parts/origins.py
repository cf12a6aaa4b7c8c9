"""Where the figures come from: hashes, versions, the machine, the config keys that decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qat.report.sources import Sources
from qat.version import __version__

WEIGHTS = "float weights sha256"  # as manifests call it
HASHES = "SHA-256"


@dataclass(frozen=True)
class Group:
    """Facts under a title, as (name, text)."""

    title: str
    facts: tuple[tuple[str, str], ...]


def origins(sources: Sources) -> list[Group]:
    """Hashes, config keys, machine and versions; each where a stage recorded it."""
    environment, made = sources.metrics["float"]["environment"], sources.made
    decided = made.get("made_from", {})
    hashes = {"float weights": decided[WEIGHTS]} if WEIGHTS in decided else {}
    hashes |= {"names of the val images": sources.metrics["float"]["image_list"]}
    hashes |= {"names of the calibration images": made["images"]} if "images" in made else {}
    hashes |= {name: record["sha256"] for name, record in sources.compiled.get("artefacts", {}).items()}
    versions = {"rtseg-qat": __version__} | _spelt(environment) | _installed(sources.compiled.get("runtimes", {}))
    versions |= {
        name: f"{made[name]['name']}: {made[name]['reason']}" for name in ("backend", "engine") if name in made
    }
    groups = {
        HASHES: hashes,
        "Machine and versions": versions,
        "Keys that decide": {name: value for name, value in decided.items() if name != WEIGHTS},
    }
    return [Group(title, _facts(found)) for title, found in groups.items() if found]


def _spelt(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", " "): value for name, value in environment.items()}


def _installed(runtimes: Mapping[str, str]) -> dict[str, str]:
    return {f"runtime {name}": version for name, version in runtimes.items()}


def _facts(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    texts = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in found.items()
    }
    return tuple((name, text or "none") for name, text in texts.items())
