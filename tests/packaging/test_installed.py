"""The installed wheel, away from the checkout, beside packages called `datasets` and `configs` that aren't ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.packaging.install import Environment, run, small_wheel

THEIRS = "def load_dataset(name): return f'theirs: {name}'\n"
USE_BOTH = "import datasets, qat; print(datasets.load_dataset('x'), qat.QuantSpec().scheme)"
USE_MINE = """
import configs, datasets
from qat.config import load_config

print(configs.MINE, datasets.MINE, load_config("streets/pidnet_s").MODEL.NAME)
"""
FEW = ["TEST.NUM_IMAGES", "2", "QUANT.CALIB_IMAGES", "2", "WORKERS", "0"]


def test_it_runs_from_the_environment_not_from_the_checkout(installed: Environment, tmp_path: Path) -> None:
    assert Path(installed.runs("import qat; print(qat.__file__)", tmp_path)).is_relative_to(installed.site)


def test_the_demo_runs_end_to_end_with_results_below_the_working_directory(
    installed: Environment, tmp_path: Path
) -> None:
    before = set(installed.site.rglob("*.yaml"))
    said = run([str(installed.scripts / "rtseg-qat"), "demo", "--json", *FEW], tmp_path)
    assert json.loads(said)["evaluation"]["passed"] is True
    stages = tmp_path / "output" / "streets" / "pidnet_s"
    for stage in ("float", "calib", "int_infer"):
        assert json.loads((stages / stage / "metrics.json").read_text())["images"] == 2
    assert set(installed.site.rglob("*.yaml")) == before


@pytest.mark.parametrize("ours_first", [True, False])
def test_another_package_called_datasets_keeps_working(wheel: Path, tmp_path: Path, ours_first: bool) -> None:
    environment = Environment(tmp_path / "venv")
    wheels = [wheel, small_wheel(tmp_path, "datasets", THEIRS)]
    for one in wheels if ours_first else wheels[::-1]:
        environment.install(one)
    assert environment.runs(USE_BOTH, tmp_path) == "theirs: x symmetric"
    environment.pip("uninstall", "-y", "rtseg-qat")
    assert environment.runs("import datasets; print(datasets.load_dataset('x'))", tmp_path) == "theirs: x"


def test_a_script_beside_its_own_configs_and_datasets_has_both(installed: Environment, tmp_path: Path) -> None:
    for name in ("configs", "datasets"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"MINE = 'my {name}'\n", encoding="utf-8")
    script = tmp_path / "script.py"
    lines = [
        "import configs, datasets",
        "from qat.config import load_config",
        "config = load_config('streets/pidnet_s')",
    ]
    script.write_text("\n".join([*lines, "print(configs.MINE, datasets.MINE, config.MODEL.NAME)"]), encoding="utf-8")
    assert run([installed.python, str(script)], tmp_path).strip() == "my configs my datasets pidnet_s"
