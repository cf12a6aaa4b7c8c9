"""What a command says is a file of the run's folder too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qat.cli.main import main


def base(options: list[str]) -> Path:
    return Path(options[options.index("OUTPUT_DIR") + 1]) / "streets" / "tiny"


def test_what_is_said_and_shown_is_kept(tiny: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", *tiny]) == 0
    said = capsys.readouterr()
    log = base(tiny) / "logs" / "eval.log"
    kept = log.read_text()
    assert re.match(r"\n\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \$ rtseg-qat eval -c streets/pidnet_s ", kept)
    shown = [line.rstrip() for line in said.out.splitlines() if line.strip()]
    assert set(shown) <= {line.rstrip() for line in kept.splitlines()}
    assert f"float: {base(tiny) / 'float' / 'metrics.json'}" in kept.splitlines()
    assert {"MeanIU", "Class IoU"} <= set(re.findall(r"^[\w ]+(?=:)", kept, re.MULTILINE))
    assert main(["eval", "--json", *tiny]) == 0
    assert kept in log.read_text()
    assert log.read_text().count("MeanIU: ") == 2


def test_a_mistake_is_kept_where_there_is_a_run(tiny: list[str], tmp_path: Path) -> None:
    assert main(["eval", *tiny]) == 0
    assert main(["eval", "--gate", "99", *tiny]) == 2
    assert (base(tiny) / "logs" / "eval.log").read_text().splitlines()[-1].startswith("error: --gate 99; expected ")
    assert main(["eval", "--gate", "99", *tiny, "OUTPUT_DIR", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()


def test_a_folder_that_is_read_only_is_no_mistake(tiny: list[str], tmp_path: Path) -> None:
    assert main(["eval", *tiny, "OUTPUT_DIR", str(tmp_path)]) == 0
    logs = tmp_path / "streets" / "tiny" / "logs"
    (logs / "check.log").mkdir()  # what can't be opened; root may write anywhere
    assert main(["check", *tiny, "OUTPUT_DIR", str(tmp_path)]) == 0
