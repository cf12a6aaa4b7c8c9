"""Rewrites, files, origins, sensitivity and tiles: what is listed of a run, and of a run without it."""

from __future__ import annotations

from qat.graph.rules import RULES
from qat.report.parts import artefact_table
from qat.report.parts.origins import origins
from qat.report.parts.rewrite_list import NONE, refusals, rewrites
from qat.report.parts.sensitivity_table import SHOWN, sensitivity_table
from qat.report.parts.tiles import headline_stage, tiles
from tests.report.fakes import bare, debug, metrics, sources


def test_a_rewrite_names_its_reason_and_places() -> None:
    (found,) = rewrites(sources().made["rewrites"])
    assert found.reason == next(rule.reason for rule in RULES if rule.name == "keepdim")
    assert found.places == (("net.py:23", "keepdim=True, without unsqueeze"),) * 2
    assert found.proof == "outputs differ by 4e−7, 1e−5 allowed"


def test_proofs_that_found_nothing_and_proofs_that_are_missing() -> None:
    log = sources().made["rewrites"]
    equal = log | {"proofs": [{"rule": "keepdim", "difference": 0.0, "tolerance": 1e-5}]}
    assert [each.proof for each in rewrites(equal)] == ["equal outputs"]
    assert [each.proof for each in rewrites(log | {"proofs": []})] == ["not proven"]
    assert rewrites(NONE) == refusals(NONE) == []


def test_a_refusal_names_its_reason() -> None:
    (found,) = refusals(sources().made["rewrites"])
    assert (found.rule, found.node, found.reason) == ("norm_into_sum", "bn", "the sum is read twice")


def test_files_with_their_runs() -> None:
    (file,) = artefact_table.files(sources())
    ran, refused = file.runs
    assert (file.name, file.megabytes) == ("model.onnx", "8.0")
    assert (ran.agreement, ran.mean_iou, ran.milliseconds) == ("99.80", "59.00", "16.0")  # on the most threads
    assert (refused.status, refused.reason, refused.milliseconds) == ("refused", "takes no QDQ", "–")
    assert artefact_table.missing(sources()) == {"model.mnn": "no converter"}
    assert artefact_table.files(bare()) == []


def test_origins_hold_hashes_versions_and_keys() -> None:
    found = {group.title: dict(group.facts) for group in origins(sources())}
    assert found["SHA-256"]["float weights"] == "77aa"
    assert found["SHA-256"]["model.onnx"] == "beef"
    assert found["Machine and versions"]["runtime ort"] == "1.32"
    assert found["Machine and versions"]["engine"] == "x86: VNNI"
    assert found["Keys that decide"] == {"QUANT.TARGET": "x86", "QUANT.HIGH_PRECISION": "none"}
    assert "Keys that decide" not in [group.title for group in origins(bare())]


def test_sensitivity_puts_groups_first_and_the_most_costly_layers_next() -> None:
    found = debug()["sensitivity"]
    layer = found["layers"][0]
    found["layers"] = [
        layer | {"name": f"l{i}", "alone_quantised": layer["alone_quantised"] | {"sqnr_db": 90.0 - i}}
        for i in range(SHOWN + 5)
    ]
    table = sensitivity_table(found, "")
    assert table is not None
    assert [line.name for line in table.lines[:3]] == ["everything", "weights only", f"l{SHOWN + 4}"]
    assert (table.shown, table.count, len(table.lines)) == (SHOWN, SHOWN + 5, SHOWN + 2)
    assert table.lines[2].figures == ("2.00", "60.00", "71.0", "0.400", "60.00", "30.0")
    assert sensitivity_table({}, "") is None


def test_without_labels_sensitivity_has_no_miou() -> None:
    found = debug()["sensitivity"]
    score = {"mean_iou": None, "sqnr_db": None, "pixels_changed": 0.0}
    found["layers"] = [found["layers"][0] | {"alone_quantised": score, "alone_float": score}]
    table = sensitivity_table(found, "")
    assert table is not None
    assert table.lines[-1].figures == ("2.00", "–", "–", "0.000", "–", "–")


def test_tiles_are_about_the_last_stage() -> None:
    assert [tile.figure for tile in tiles(sources())] == ["60.00", "59.67", "0.500", "1.0"]
    assert [tile.title for tile in tiles(bare())] == ["float mIoU"]
    assert headline_stage({"float": metrics(), "calib": metrics(changed=0.1) | {"image_list": "x"}}) == "float"
