"""regress holds every stage, runtime and class against a baseline, here on a tree in Cityscapes' layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from safetensors.torch import load_file, save_file

from qat.cli.main import main
from qat.data.streets import write
from tests.networks import TINY, registered, tiny_weights


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The arguments of the Cityscapes config with the tiny network, on a tree of painted streets."""
    folder = tmp_path_factory.mktemp("cityscapes")
    values = {
        "NAME": "tiny",
        "MODEL.NAME": TINY.name,
        "TEST.MODEL_FILE": tiny_weights(folder / "tiny.safetensors", num_classes=19),
        "TEST.IMAGE_SIZE": "128,64",
        "OUTPUT_DIR": folder / "output",
        "LOG_DIR": folder / "log",
        "DATASET.ROOT": write(folder / "data", train=2, val=2, size=(128, 64)),
        "QUANT.CALIB_IMAGES": 2,
        "QUANT.OBSERVER": "min_max",
        "COMPILE.RUNTIMES": "['ort']",
        "COMPILE.PARITY_IMAGES": 1,
        "DEVICE": "cpu",
        "WORKERS": 0,
    }
    with registered(TINY), pytest.MonkeyPatch.context() as patch:
        patch.delenv("CITYSCAPES_DATASET", raising=False)
        yield ["-c", "cityscapes/pidnet_s", *(str(part) for pair in values.items() for part in pair)]


@pytest.fixture(scope="module")
def baseline(run: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("baselines") / "tiny.yaml"
    assert main(["regress", "--update", "--baseline", str(file), *run]) == 0
    return file


def base(run: list[str]) -> Path:
    return Path(run[run.index("OUTPUT_DIR") + 1]) / "regress" / "cityscapes" / "tiny"


def changed(file: Path, to: Path, **values: object) -> str:
    to.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | values))
    return str(to)


def mistake(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_update_writes_every_stage_and_class(baseline: Path) -> None:
    written = yaml.safe_load(baseline.read_text())
    assert (written["config"], written["images"]) == ("cityscapes/tiny", 2)
    assert list(written["stages"]) == ["float", "calib", "int_infer", "compiled ort"]
    assert {"torch", "python", "float weights sha256"} <= written["made_with"].keys()
    for title, rows in written["stages"].items():
        assert "mean_iou" in rows
        assert ("share_of_float" in rows) == (title != "float")
        assert sum(name.startswith("IoU ") for name in rows) >= 2


def test_the_same_run_passes(run: list[str], baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = baseline.read_bytes()
    assert main(["regress", "--baseline", str(baseline), *run]) == 0
    assert "0 fell; the gate is 99.00% of float" in capsys.readouterr().out
    suites = ElementTree.parse(base(run) / "junit.xml").getroot()
    assert (suites.get("failures"), suites.get("skipped")) == ("0", "0")
    record = json.loads((base(run) / "regress.json").read_text())
    assert record["passed"]
    assert len(record["rows"]) == int(suites.get("tests") or 0)
    assert baseline.read_bytes() == before


def test_a_damaged_class_falls_in_every_stage(
    run: list[str], baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    float_rows = yaml.safe_load(baseline.read_text())["stages"]["float"]
    best = max((name for name in float_rows if name.startswith("IoU ")), key=lambda name: float_rows[name]["value"])
    metrics = json.loads((base(run) / "float" / "metrics.json").read_text())
    index = list(metrics["class_iou"]).index(best.removeprefix("IoU "))
    weights = load_file(run[run.index("TEST.MODEL_FILE") + 1])
    weights["final_layer.bias"][index] -= 1000
    save_file(weights, tmp_path / "damaged.safetensors")
    damaged = ["TEST.MODEL_FILE", str(tmp_path / "damaged.safetensors"), "OUTPUT_DIR", str(tmp_path / "output")]
    assert main(["regress", "--baseline", str(baseline), *run, *damaged]) == 1
    said = capsys.readouterr().out
    for title in ("float", "calib", "int_infer", "compiled ort"):
        assert f"fell: {title} {best}: " in said
    assert "the baseline was made with float weights sha256 " in said
    suites = ElementTree.parse(tmp_path / "output/regress/cityscapes/tiny/junit.xml").getroot()
    cases = {
        (suite.get("name"), case.get("name")) for suite in suites for case in suite if case.find("failure") is not None
    }
    assert {("float", best), ("int_infer", best)} <= cases


def test_update_keeps_published_rows_and_own_tolerances(run: list[str], baseline: Path, tmp_path: Path) -> None:
    stages = yaml.safe_load(baseline.read_text())["stages"]
    stages["float"]["mean_iou"] = {"value": 0.9, "tolerance": 0.0005, "source": "a paper", "both_sides": True}
    stages["calib"]["mean_iou"] = {"value": 0.9, "tolerance": 0.2, "source": "measured"}
    file = changed(baseline, tmp_path / "own.yaml", stages=stages)
    assert main(["regress", "--update", "--baseline", file, *run]) == 1  # the published row doesn't hold
    written = yaml.safe_load(Path(file).read_text())["stages"]
    assert written["float"]["mean_iou"] == stages["float"]["mean_iou"]
    assert written["calib"]["mean_iou"]["tolerance"] == 0.2
    assert written["calib"]["mean_iou"]["value"] != 0.9


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"config": "streets/pidnet_s"}, "is the baseline of streets/pidnet_s, and this config is cityscapes/tiny"),
        ({"images": 500}, "was measured on 500 pictures, and here are 2"),
        ({"stages": {"float": {"IoU cow": {"value": 1, "tolerance": 0}}}}, "has a class cow, which the data set lacks"),
        ({"stages": {"float": {"mean_iou": {"value": "x", "tolerance": 0}}}}, "'x' where a number is expected"),
        ({"stages": {"float": {"speed": {"value": 1, "tolerance": 0}}}}, "float has the row speed"),
        ({"stages": {"float": {"mean_iou": {"value": 1, "slack": 0}}}}, "float mean_iou has the key slack"),
        ({"stages": 3}, "is no baseline"),
    ],
    ids=str,
)
def test_a_baseline_that_does_not_belong(
    run: list[str],
    baseline: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    values: dict[str, object],
    says: str,
) -> None:
    file = changed(baseline, tmp_path / "other.yaml", **values)
    before = Path(file).read_bytes()
    assert says in mistake(["regress", "--baseline", file, *run], capsys)
    assert Path(file).read_bytes() == before


def test_no_baseline_is_one_line(run: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "no baseline cityscapes/tiny" in mistake(["regress", *run], capsys)


def test_a_runtime_that_is_not_chosen_is_not_run(
    run: list[str], baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = yaml.safe_load(baseline.read_text())["stages"]
    file = changed(baseline, tmp_path / "more.yaml", stages=stages | {"compiled mnn": stages["compiled ort"]})
    assert main(["regress", "--baseline", file, *run]) == 0
    assert "not in COMPILE.RUNTIMES" in capsys.readouterr().out


def test_a_stage_that_fails_falls(
    run: list[str], baseline: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from qat.errors import UserError

    def fails(*_: object) -> None:
        raise UserError("the writer is broken")

    monkeypatch.setattr("qat.workflow.regression.compile", fails)
    shutil.rmtree(base(run) / "compile")
    assert main(["regress", "--baseline", str(baseline), *run]) == 1
    assert "fell: compiled ort mean_iou: the writer is broken, expected " in capsys.readouterr().out


def test_where_torch_computes_int8_wrong_its_file_is_not_run(run: list[str], baseline: Path, tmp_path: Path) -> None:
    both = [*run, "COMPILE.RUNTIMES", "['ort', 'torchscript']", "OUTPUT_DIR", str(tmp_path / "output")]
    stages = yaml.safe_load(baseline.read_text())["stages"]
    file = changed(baseline, tmp_path / "own.yaml", stages=stages | {"compiled torchscript": stages["int_infer"]})
    assert main(["regress", "--baseline", file, *both, "QUANT.ENGINE", "program"]) == 0
    record = json.loads((tmp_path / "output/regress/cityscapes/tiny/regress.json").read_text())
    assert {row["why"] for row in record["rows"] if row["stage"] == "compiled torchscript"} == {"QUANT.ENGINE names it"}
