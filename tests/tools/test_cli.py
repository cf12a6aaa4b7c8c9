"""Every command explains itself, says a mistake in one line, and knows its exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from qat.cli.main import COMMANDS, main, module_of, takes_config
from qat.version import __version__
from tests.heeding import heeding

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py"))
COMMAND_OF = {"finetune": "qat"}  # where a tool's name isn't its command's


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CITYSCAPES_DATASET", raising=False)


def child(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`code` in a process of its own."""
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *arguments]
    own = {"preexec_fn": heeding} if os.name == "posix" else {}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, **own)  # type: ignore[call-overload, no-any-return]


# --- what needs no torch ---


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)],
    ids=lambda words: " ".join(words),
)
def test_help_and_version_import_nothing_heavy(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    heavy = "torch", "cv2", "onnx", "onnxruntime", "openvino", "rich"
    code = (
        "import sys; from qat.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as done: assert not done.code\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = child(code, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "[]\n"
    assert done.stdout


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rtseg-qat {__version__}\n"


def test_the_overview_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert not done.value.code
    shown = capsys.readouterr().out
    places = ("--cfg", "--run") if takes_config(import_module(module_of(command))) else ()
    for word in (f"rtseg-qat {command}", *places, "--json", "KEY VALUE"):
        assert word in shown


def test_a_tool_for_each_command() -> None:
    assert {COMMAND_OF.get(tool, tool).replace("_", "-") for tool in TOOLS} == COMMANDS.keys()


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_is_its_command(tool: str) -> None:
    command = COMMAND_OF.get(tool, tool).replace("_", "-")
    assert f'script("{command}")' in (ROOT / "tools" / f"{tool}.py").read_text()


# --- mistakes are 2 ---


def test_as_a_script_from_any_folder() -> None:
    command = [sys.executable, str(ROOT / "tools" / "check.py"), "QUANT.SCHEM", "affine"]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: unknown key QUANT.SCHEM in options; did you mean QUANT.SCHEME?\n"


REQUIRED = {
    "infer": ["--input", "."],
    "export": ["--output", "weights.safetensors"],
    "takeover": ["."],
    "compare": [".", "."],
}


@pytest.mark.parametrize(
    "command", sorted(command for command in COMMANDS if takes_config(import_module(module_of(command))))
)
def test_every_command_names_a_missing_config(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, *REQUIRED.get(command, []), "-c", "none.yaml"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "none.yaml" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["calibrate"], "error: no command calibrate; did you mean calib?"),
        (["eval", "--stage", "flot"], "error: argument --stage: invalid choice: 'flot'"),
        (["export"], "error: the following arguments are required: --output; see rtseg-qat export --help"),
        (["calib", "-c", "a.yaml", "--run", "b"], "error: argument --run: not allowed with argument -c/--cfg"),
        (["calib", "-c", "a.yaml", "--cfg", "b.yaml"], "error: --cfg is given twice: a.yaml and b.yaml; see rtseg-qat"),
        (["calib", "--run", "."], "error: --run . holds no run: no config.yaml in it"),
        (["compare", "a", "b", "--scale", "1,x"], "error: argument --scale: '1,x'; expected numbers above 0"),
        (["compare", "a", "b", "--scale", "nan"], "error: argument --scale: 'nan'; expected numbers above 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(message)
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("command", ["calib", "eval"])
def test_a_missing_checkpoint(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opts = f"TEST.MODEL_FILE none.pt DATASET.ROOT {tmp_path} DATASET.STREETS_TRAIN 1 DATASET.STREETS_VAL 1 WORKERS 0"
    assert main([command, *opts.split()]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("error: ")
    assert "none.pt" in lines[-1]


@pytest.mark.parametrize("command", ["calib", "eval", "train"])
def test_a_missing_data_set(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    opts = ["DATASET.DATASET", "cityscapes", "DATASET.ROOT", "nowhere"]
    assert main([command, *opts]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: DATASET.ROOT nowhere is not a folder; ")


def test_a_slip_in_the_number_of_processes_starts_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calib", "--processes", "20000"]) == 2
    assert capsys.readouterr().err.startswith("error: --processes 20000 and this machine has ")


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_number_of_processes_is_1_or_more(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--processes", number]) == 2
    assert "expected 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory\n at x")])
def test_no_memory_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("qat.cli.main.run", fail)
    assert main(["eval"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "not enough memory; lower TEST.IMAGE_SIZE" in line


def test_control_characters_of_a_path_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "-c", "none\x1b[31m\nerror: all is well.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()


def test_ctrl_c_while_torch_is_imported() -> None:
    """The signal comes before any code of the command has run."""
    code = (
        "import os, signal, sys\n"
        "class Press:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Press())\n"
        "from qat.cli.entry import script\n"
        "script()"
    )
    done = child(code, "calib")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


# --- runs ---


def found_json(command: str, arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> Any:
    """What a command prints with --json: one object and nothing else."""
    capsys.readouterr()
    assert main([command, "--json", *arguments]) == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def run(tiny: list[str]) -> Path:
    """A run's folder with stage calib."""
    assert main(["calib", *tiny]) == 0
    return Path(tiny[tiny.index("OUTPUT_DIR") + 1]) / "streets" / "tiny"


def test_json_of_the_quick_commands(tiny: list[str], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found_json("check", tiny, capsys)["model"] == "tiny"
    calibration = found_json("calib", tiny, capsys)
    assert (calibration["images"], Path(calibration["checkpoint"]).parent) == (1, run / "calib")
    stages = found_json("eval", ["--stage", "int_infer", *tiny], capsys)["stages"]
    assert stages["int_infer"]["mean_iou"] is not None
    pictures = found_json("infer", ["--input", str(run.parent.parent.parent / "data"), *tiny], capsys)["pictures"]
    assert all(Path(picture).is_file() for picture in pictures)
    weights = tiny[tiny.index("TEST.MODEL_FILE") + 1]
    exported = found_json("export", ["--weights", weights, "--output", "half.safetensors", *tiny], capsys)
    assert Path(exported["path"]).is_file()
    speed = found_json("bench", ["--rounds", "1", "--images", "1", *tiny], capsys)
    assert len(speed["forwards"]) == 5
    assert found_json("report", ["--images", "0", *tiny], capsys)["path"].endswith("report.html")


def test_a_gate_that_fails_is_1(
    tiny: list[str], run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["eval", "--stage", "calib", "--gate", "0.5", *tiny]) == 0
    monkeypatch.setattr("qat.workflow.evaluation.passes", lambda *figures: False)
    result = found_json("eval", ["--stage", "calib", "--gate", "0.99", *tiny], capsys, code=1)
    assert (result["passed"], result["gate"]) == (False, 0.99)


@pytest.mark.parametrize("gate", ["0", "-1", "1.01", "99", "nan"])
def test_a_gate_that_is_no_share_runs_nothing(
    gate: str, tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "--gate", gate, *tiny, "OUTPUT_DIR", str(tmp_path / "output")]) == 2
    expected = "a share above 0, at most 1, such as 0.99"
    assert capsys.readouterr().err == f"error: --gate {gate}; expected {expected}\n"
    assert not (tmp_path / "output").exists()


def test_calib_says_once_that_it_is_done(tiny: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log had it too."""
    assert main(["calib", *tiny, "OUTPUT_DIR", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert (said.out.count("calibrated on"), said.err.count("calibrated on")) == (1, 0)


def test_fewer_pictures_than_float_s_write_nothing(
    tiny: list[str], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They had replaced the stage's figures before the comparison with float failed."""
    assert main(["eval", "--stage", "calib", *tiny]) == 0
    before = (run / "calib" / "metrics.json").read_bytes()
    assert main(["eval", "--stage", "calib", *tiny, "TEST.NUM_IMAGES", "1"]) == 2
    assert "float was evaluated on 2 images and TEST.NUM_IMAGES leaves 1" in capsys.readouterr().err
    assert (run / "calib" / "metrics.json").read_bytes() == before


def test_run_takes_a_runs_own_config(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = found_json("eval", ["--run", str(run), "--stage", "calib", "QUANT.GATE", "0.5"], capsys)
    assert (result["gate"], result["passed"]) == (0.5, True)
    assert Path(result["folder"]) == run / "calib"


def test_run_of_a_folder_that_was_moved(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = shutil.copytree(run.parents[1], tmp_path / "elsewhere") / "streets" / "tiny"
    result = found_json("eval", ["--run", str(moved), "--stage", "int_infer"], capsys)
    assert Path(result["folder"]) == moved / "int_infer"


def test_logits_of_two_stages(tiny: list[str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Raw logits of any stage, and two folders of them against each other."""
    pictures = next((run.parents[2] / "data").rglob("val"))
    folders = {stage: tmp_path / stage for stage in ("float", "int_infer")}
    for stage, folder in folders.items():
        arguments = ["--stage", stage, "--input", str(pictures), "--logits", "--output", str(folder), *tiny]
        assert all(name.endswith(".npy") for name in found_json("infer", arguments, capsys)["pictures"])
    found = found_json("compare", [*map(str, folders.values()), *tiny], capsys)
    assert len(found["rows"]) == 2
    assert 20 < found["mean"]["sqnr"] < 80
    assert found["mean"]["cosine"] > 0.99
