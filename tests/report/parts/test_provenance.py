"""Rewrites, files and origins: what is listed of a run, and of a run without it."""

from __future__ import annotations

from qat.graph.rules import RULES
from qat.report.parts.provenance import artefact_files, missing_files, origins, refusals, rewrites
from tests.report.fakes import bare, sources


def test_a_rewrite_names_its_reason_and_places() -> None:
    (found,) = rewrites(sources().calibration)
    assert found.reason == next(rule.reason for rule in RULES if rule.name == "keepdim")
    assert found.places == (("net.py:23", "keepdim=True, without unsqueeze"),) * 2
    assert found.proof == "outputs differ by 4e−7, 1e−5 allowed"


def test_proofs_that_found_nothing_and_proofs_that_are_missing() -> None:
    log = sources().calibration["rewrites"]
    equal = log | {"proofs": [{"rule": "keepdim", "difference": 0.0, "tolerance": 1e-5}]}
    assert [each.proof for each in rewrites({"rewrites": equal})] == ["equal outputs"]
    assert [each.proof for each in rewrites({"rewrites": log | {"proofs": []}})] == ["not proven"]
    assert rewrites({}) == refusals({}) == []


def test_a_refusal_names_its_reason() -> None:
    (found,) = refusals(sources().calibration)
    assert (found.rule, found.node, found.reason) == ("norm_into_sum", "bn", "the sum is read twice")


def test_files_with_their_runs() -> None:
    (file,) = artefact_files(sources())
    ran, refused = file.runs
    assert (file.name, file.megabytes) == ("model.onnx", "8.0")
    assert (ran.agreement, ran.score, ran.milliseconds) == ("99.80", "59.00", "16.0")  # on the most threads
    assert (refused.status, refused.reason, refused.milliseconds) == ("refused", "takes no QDQ", "–")
    assert missing_files(sources()) == {"model.mnn": "no converter"}
    assert artefact_files(bare()) == []


def test_origins_hold_hashes_versions_and_keys() -> None:
    found = {group.title: dict(group.facts) for group in origins(sources())}
    assert found["SHA-256"]["float weights"] == "77aa"
    assert found["SHA-256"]["model.onnx"] == "beef"
    assert found["Machine and versions"]["runtime ort"] == "1.32"
    assert found["Machine and versions"]["engine"] == "x86: VNNI"
    assert found["Keys that decide"] == {"QUANT.TARGET": "x86", "QUANT.HIGH_PRECISION": "none"}
    assert "Keys that decide" not in [group.title for group in origins(bare())]
