"""The provenance: compiled files, rewrites with their proofs, hashes, versions, keys that decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qat.evaluation.tasks import task_in
from qat.graph.rules import RULES
from qat.report.sources import Sources
from qat.report.text import NOTHING, megabytes, percent
from qat.version import __version__


@dataclass(frozen=True)
class ArtefactRun:
    """A file in a runtime; `reason` where it didn't run."""

    runtime: str
    status: str
    agreement: str
    score: str
    milliseconds: str
    reason: str


@dataclass(frozen=True)
class ArtefactFile:
    """A compiled file and its runs."""

    name: str
    how: str
    megabytes: str
    sha256: str
    runs: tuple[ArtefactRun, ...]


def artefact_files(sources: Sources) -> list[ArtefactFile]:
    """One a compiled file, as make compile listed them."""
    return [_file(name, record, sources) for name, record in sources.compiled.get("artefacts", {}).items()]


def missing_files(sources: Sources) -> dict[str, str]:
    """Files that make compile could not make, and why."""
    return dict(sources.compiled.get("missing", {}))


def _file(name: str, record: Mapping[str, Any], sources: Sources) -> ArtefactFile:
    runs = tuple(
        _run(runtime, proof, sources.perf.get(name, {}).get(runtime, {}))
        for runtime, proof in sources.parity.get(name, {}).items()
    )
    return ArtefactFile(name, record["how"], megabytes(record["bytes"]), record["sha256"], runs)


def _run(runtime: str, proof: Mapping[str, Any], by_threads: Mapping[str, Mapping[str, float]]) -> ArtefactRun:
    most = by_threads[max(by_threads, key=int)] if by_threads else None
    return ArtefactRun(
        runtime,
        proof.get("status", ""),
        percent(proof.get("agreement_int_infer")),
        percent(proof.get(task_in(proof).score)),
        f"{most['median_ms']:.1f}" if most else NOTHING,
        proof.get("reason", "") or proof.get("note", ""),
    )


NONE: Mapping[str, Any] = {"fired": [], "refused": [], "proofs": []}
REASONS = {rule.name: rule.reason for rule in RULES}


@dataclass(frozen=True)
class Rewrite:
    """A rule that fired: why it exists, what the comparison of outputs after it found, (source, what) of each time."""

    rule: str
    reason: str
    proof: str
    places: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Refusal:
    """A rule that found its pattern and left it: the node, where it came from and why."""

    rule: str
    node: str
    source: str
    reason: str


def rewrites(calibration: Mapping[str, Any]) -> list[Rewrite]:
    """A rule each, in the order in which they first fired; of calib's manifest, which may be {}."""
    log = calibration.get("rewrites", NONE)
    proofs = {proof["rule"]: proof for proof in log["proofs"]}
    return [_rewrite(rule, log, proofs.get(rule, {})) for rule in dict.fromkeys(each["rule"] for each in log["fired"])]


def refusals(calibration: Mapping[str, Any]) -> list[Refusal]:
    """As they stand at the end of the rewrites."""
    log = calibration.get("rewrites", NONE)
    return [Refusal(each["rule"], each["node"], each["source"], each["reason"]) for each in log["refused"]]


def _rewrite(rule: str, log: Mapping[str, Any], proof: Mapping[str, float]) -> Rewrite:
    places = tuple((each["source"], each["what"]) for each in log["fired"] if each["rule"] == rule)
    return Rewrite(rule, REASONS.get(rule, ""), _proven(proof), places)


def _proven(proof: Mapping[str, float]) -> str:
    if not proof:
        return "not proven"
    if not proof["difference"]:
        return "equal outputs"
    return f"outputs differ by {proof['difference']:.0e}, {proof['tolerance']:.0e} allowed".replace(
        "e-0", "e-"
    ).replace("e-", "e−")


WEIGHTS = "float weights sha256"  # as manifests call it
HASHES = "SHA-256"


@dataclass(frozen=True)
class FactGroup:
    """Facts under a title, as (name, text)."""

    title: str
    facts: tuple[tuple[str, str], ...]


def origins(sources: Sources) -> list[FactGroup]:
    """Hashes, config keys, machine and versions; each where a stage recorded it."""
    environment, record = sources.metrics["float"]["environment"], sources.calibration
    decided = record.get("made_from", {})
    hashes = {"float weights": decided[WEIGHTS]} if WEIGHTS in decided else {}
    hashes |= {"names of the val images": sources.metrics["float"]["image_list"]}
    hashes |= {"names of the calibration images": record["images"]} if "images" in record else {}
    hashes |= {name: record["sha256"] for name, record in sources.compiled.get("artefacts", {}).items()}
    versions = {"rtseg-qat": __version__} | _spelt(environment) | _installed(sources.compiled.get("runtimes", {}))
    versions |= {
        name: f"{record[name]['name']}: {record[name]['reason']}" for name in ("backend", "engine") if name in record
    }
    kernels = sources.metrics.get("int_infer", {}).get("kernels")
    versions |= {"int8 kernels": f"{kernels['name']}: {kernels['reason']}"} if kernels else {}
    groups = {
        HASHES: hashes,
        "Machine and versions": versions,
        "Keys that decide": {name: value for name, value in decided.items() if name != WEIGHTS},
    }
    return [FactGroup(title, _facts(values)) for title, values in groups.items() if values]


def _spelt(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", " "): value for name, value in environment.items()}


def _installed(runtimes: Mapping[str, str]) -> dict[str, str]:
    return {f"runtime {name}": version for name, version in runtimes.items()}


def _facts(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    texts = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in values.items()
    }
    return tuple((name, text or "none") for name, text in texts.items())
