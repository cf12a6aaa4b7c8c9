"""Regress: every stage and runtime anew, held against a baseline row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from qat.config import with_values
from qat.data import build_dataset
from qat.data.transforms import InferenceTransform
from qat.environment import environment
from qat.errors import UserError
from qat.evaluation.baseline import Baseline, read_baseline, updated, write_baseline
from qat.evaluation.regression import FELL, Row, figures, judge, junit
from qat.files import write_json, write_text
from qat.resources import find_baseline
from qat.runtimes import NAMES, installed
from qat.stages import finished_stages, read_record
from qat.stages.folders import INT_MODEL
from qat.version import __version__
from qat.workflow.calibration import calibrate
from qat.workflow.compilation import compile
from qat.workflow.evaluation import evaluate, measured_on
from qat.workflow.fine_tuning import finetune
from qat.workflow.measuring import evaluated_names
from qat.workflow.network import task_of
from qat.workflow.progress import Progress, silent
from qat.workflow.run import folders_of, run_of
from qat.workflow.settings import backend_choice, data_spec

TORCHSCRIPT = "torchscript"  # the runtime of int_infer's file
FOLDER = "regress"  # below OUTPUT_DIR: the run that is measured, apart from the user's
JUNIT, JSON = "junit.xml", "regress.json"


@dataclass(frozen=True)
class Regression:
    """The folder of junit.xml and regress.json, the baseline's file and whether it was written anew, the metrics of
    every stage, and the rows.

    `passed`: whether no row fell. `remarks`: what differs from what the baseline was made with, in words.
    """

    folder: Path
    baseline: Path
    updated: bool
    stages: Mapping[str, Mapping[str, Any]]
    rows: tuple[Row, ...]
    gate: float
    remarks: tuple[str, ...] = ()

    @property
    def fell(self) -> tuple[Row, ...]:
        """The rows that fell."""
        return tuple(row for row in self.rows if row.verdict == FELL)

    @property
    def passed(self) -> bool:
        """Whether none did."""
        return not self.fell


def regress(
    config: CfgNode, progress: Progress = silent, *, baseline: str | Path = "", update: bool = False
) -> Regression:
    """Run float, calib, qat (where QUANT.FROM is qat), int_infer and compiled in each runtime found; compare each
    figure with a baseline.

    The stages are made anew in OUTPUT_DIR/regress; the run's own folders stay as they are.

    Args:
        config: the run's config.
        progress: called with the steps done, the number of steps, and a text.
        baseline: the baseline's file or name; by default <data set>/<config>.
        update: write the baseline from this run. Rows with another source than a measurement stay as they are.

    Returns:
        Every row of the baseline with its verdict.

    Raises:
        UserError: where there is no baseline or it is another config's, and for what a stage up to int_infer reports.
    """
    task_of(config)
    path, before = _baseline(config, baseline, update)
    own = _apart(config)
    dataset = build_dataset(data_spec(own), "val", InferenceTransform())
    names = evaluated_names(own, dataset)
    if before is not None:
        _check(path, before, own, dataset.class_names, len(names), update)
    broken, absent = _run(own, progress)
    run = run_of(own)
    stages = {t: m for t, m in finished_stages(run, measured_on(own, dataset)).items() if t not in broken}
    measured = {title: figures(m, None if title == "float" else stages["float"]) for title, m in stages.items()}
    now = _made_with(run.weights_digest, stages["float"]["image_list"])
    remarks = () if before is None or update else tuple(_differences(before, now))
    if update:
        before = updated(before, _name(config), measured, now, len(names))
        write_baseline(path, before)
    assert before is not None  # without --update a missing file is a mistake
    rows, folder = judge(before, measured, broken, absent), folders_of(own).base
    done = Regression(folder, path, update, stages, rows, before.gate, remarks)
    _write(done, _name(config), now)
    return done


def _baseline(config: CfgNode, baseline: str | Path, update: bool) -> tuple[Path, Baseline | None]:
    """The baseline's file and content; with --update there needn't be one yet."""
    name = str(baseline) or _name(config)
    try:
        path = find_baseline(name)
    except UserError as error:
        if not update:
            raise UserError(f"{error} (--update writes one from this run)") from error
        return (Path(baseline) if baseline else Path("baselines", f"{name}.yaml")), None
    return path, read_baseline(path)


def _name(config: CfgNode) -> str:
    return f"{config.DATASET.DATASET}/{config.NAME}"


def _apart(config: CfgNode) -> CfgNode:
    """The same run in a folder of its own; without speeds, and with no fine-tuning unless the config asks for it."""
    source = "qat" if config.QUANT.FROM == "qat" else "calib"
    place = str(Path(config.OUTPUT_DIR, FOLDER))
    return with_values(config, {"OUTPUT_DIR": place, "QUANT.FROM": source, "COMPILE.BENCH_ROUNDS": 0})


def _check(
    path: Path, baseline: Baseline, config: CfgNode, classes: tuple[str, ...] | list[str], images: int, update: bool
) -> None:
    if baseline.config != _name(config):
        raise UserError(
            f"{path} is the baseline of {baseline.config}, and this config is {_name(config)}; name its own"
        )
    head = f"{task_of(config).class_title} "
    rows = {name for rows in baseline.stages.values() for name in rows if name.startswith(head)}
    if unknown := rows - {f"{head}{name}" for name in classes}:
        raise UserError(
            f"{path} has a class {min(unknown).removeprefix(head)}, which the data set lacks; name its own baseline"
        )
    if baseline.images not in (0, images) and not update:
        raise UserError(
            f"{path} was measured on {baseline.images} pictures, and here are {images}; see TEST.NUM_IMAGES"
        )


def _run(config: CfgNode, progress: Progress) -> tuple[dict[str, str], dict[str, str]]:
    """Makes and evaluates every stage. Returns compiled stages that failed, and those that this machine lacks."""
    evaluate(config, progress, stage="float")
    calibrate(config, progress)
    evaluate(config, progress, stage="calib")
    if config.QUANT.FROM == "qat":
        finetune(config, progress)
        evaluate(config, progress, stage="qat")
    evaluate(config, progress, stage="int_infer")
    return _run_compiled(config, progress)


def _run_compiled(config: CfgNode, progress: Progress) -> tuple[dict[str, str], dict[str, str]]:
    chosen = dict(_chosen(config))
    absent = {f"compiled {name}": why for name, why in chosen.items() if why}
    found = [name for name, why in chosen.items() if not why]
    if not found:
        return {}, absent
    try:
        compile(config, progress)
    except UserError as error:
        return {f"compiled {name}": str(error) for name in found}, absent
    without = read_record(folders_of(config).stage("compile"))["missing"].get(INT_MODEL)
    if without and TORCHSCRIPT in found:  # another CPU or torch may have it
        found.remove(TORCHSCRIPT)
        absent[f"compiled {TORCHSCRIPT}"] = without
    broken = {}
    for name in found:
        try:
            evaluate(with_values(config, {"COMPILE.RUNTIME": name}), progress, stage="compiled")
        except UserError as error:
            broken[f"compiled {name}"] = str(error)
    return broken, absent


def _chosen(config: CfgNode) -> Iterator[tuple[str, str]]:
    """Each runtime, and why it isn't run; "" for those that are."""
    versions, wanted = installed(), config.COMPILE.RUNTIMES
    for name in NAMES:
        if backend_choice(config).backend.board:
            yield name, "the artefacts are for the board"
        elif list(wanted) != ["auto"] and name not in wanted:
            yield name, "not in COMPILE.RUNTIMES"
        elif "not installed" in versions["ort"]:
            yield name, versions["ort"]  # it proves every file
        else:
            yield name, versions[name] if "not installed" in versions[name] else ""


def _made_with(weights: str, images: str) -> dict[str, str]:
    machine = environment()
    versions = {"rtseg_qat": __version__} | {name: str(machine[name]) for name in ("torch", "python", "cpu")}
    return versions | {"float weights sha256": weights, "names of the pictures sha256": images}


def _differences(baseline: Baseline, now: Mapping[str, str]) -> Iterator[str]:
    for name, value in now.items():
        if name in baseline.made_with and baseline.made_with[name] != value:
            yield f"the baseline was made with {name} {baseline.made_with[name]}, here it is {value}"


def _write(done: Regression, name: str, made_with: Mapping[str, str]) -> None:
    rows = [
        {"stage": row.stage, "figure": row.name, "expected": row.expected.value, "tolerance": row.expected.tolerance}
        | {"measured": row.measured, "verdict": row.verdict, "why": row.why, "source": row.expected.source}
        for row in done.rows
    ]
    record = {"config": name, "baseline": done.baseline.as_posix(), "passed": done.passed, "made_with": dict(made_with)}
    write_json(done.folder / JSON, record | {"remarks": list(done.remarks), "rows": rows})
    write_text(done.folder / JUNIT, junit(name, done.rows))
