"""Where a run's stages lie, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from qat.stages import CHECKPOINTS, STAGES, Folders

BASE = Path("output") / "streets" / "net"
FOLDERS = Folders(BASE, "ort")


def test_every_stage_has_a_folder_and_a_title_of_its_own() -> None:
    assert len({FOLDERS.stage(stage) for stage in STAGES}) == len(STAGES)
    assert all(BASE in FOLDERS.stage(stage).parents for stage in STAGES)
    assert [FOLDERS.title(stage) for stage in STAGES[:-1]] == list(STAGES[:-1])


def test_only_stage_compiled_asks_for_the_runtime() -> None:
    other = Folders(BASE, "openvino")
    differing = [stage for stage in STAGES if FOLDERS.stage(stage) != other.stage(stage)]
    assert differing == [stage for stage in STAGES if FOLDERS.title(stage) != other.title(stage)] == ["compiled"]
    assert FOLDERS.stage("compile") in FOLDERS.stage("compiled").parents


def test_stages_with_scales_have_a_checkpoint_in_their_folder() -> None:
    assert {FOLDERS.checkpoint(stage).parent for stage in CHECKPOINTS} == {FOLDERS.stage("calib"), FOLDERS.stage("qat")}
    with pytest.raises(KeyError):
        FOLDERS.checkpoint("float")
