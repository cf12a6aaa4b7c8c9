"""A network for another task is one line in the commands that read segmentation's logits."""

from __future__ import annotations

import pytest

from qat.config import load_config
from qat.errors import UserError
from qat.workflow import calibrate, compile, debug, evaluate, infer

COMMANDS = {"calib": calibrate, "compile": compile, "debug": debug, "eval": evaluate}


@pytest.mark.parametrize("name", ["yolov5n", "litehrnet18", "mnasnet0_5"])
@pytest.mark.parametrize("command", [*COMMANDS, "infer"])
def test_it_is_named_before_anything_is_written(name: str, command: str, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    config = load_config("streets/pidnet_s", ["MODEL.NAME", name])
    with pytest.raises(UserError, match=rf"MODEL.NAME {name} is a network for \w+, and {command} reads segmentation's"):
        infer(config, source="picture.png", stage="float") if command == "infer" else COMMANDS[command](config)
    assert list(tmp_path.iterdir()) == []
