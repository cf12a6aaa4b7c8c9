"""Compilation of a small network: every form of it, and what happens when something is wrong."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import qat.runtimes
from qat.compile import pipeline
from qat.compile.network import Network
from qat.compile.onnx.io_spec import IOSpec
from qat.compile.onnx.writer import Form
from qat.compile.verify.stage_outputs import StageOutputs
from qat.errors import UserError
from qat.files import read_json, replaced_folder
from qat.runtimes.mnn import Mnn, MnnSettings
from qat.runtimes.ort import Ort
from tests.compile import blocks
from tests.compile.faulty import Aborts, Explodes, Faulty, Shifts
from tests.compile.unimportable import without

pytest.importorskip("onnxruntime", reason="compilation needs the extra: runtimes")
Compile = Callable[..., pipeline.CompiledFolder]


@pytest.fixture(scope="module")
def network() -> Network:
    return blocks.network()


@pytest.fixture
def compile_blocks(network: Network, tmp_path: Path) -> Compile:
    """Compile into tmp_path/compile."""

    def compile_it(
        form: Form | None = None, labelled: bool = True, runtimes: tuple[str, ...] = ("ort",)
    ) -> pipeline.CompiledFolder:
        settings = blocks.settings(form, runtimes)
        with replaced_folder(tmp_path / "compile") as aside:
            samples = blocks.pictures(settings.form.io.source, labelled)
            return pipeline.compile_into(aside, network, samples, settings, lambda line: None)

    return compile_it


def io(source: str = "float", result: str = "logits", align_corners: bool = True) -> IOSpec:
    return IOSpec(source, result, blocks.MEAN, blocks.STD, align_corners)


@pytest.mark.parametrize(
    "form",
    [
        Form(13, io=io("uint8")),
        Form(21, io=io(result="upsampled")),
        Form(dynamic_batch=True, io=io("uint8", "argmax")),
        Form(13, io=io(result="argmax", align_corners=False)),
    ],
)
def test_every_form_says_what_the_stages_say(form: Form, compile_blocks: Compile, tmp_path: Path) -> None:
    done = compile_blocks(form)
    for name in ("model.onnx", "model_ort.onnx", "model_float.onnx"):
        assert done.parity[name]["ort"]["status"] == "ok"
        assert done.parity[name]["ort"]["mean_iou"] > 0.8
        opset = onnx.load(tmp_path / "compile" / name).opset_import[0].version
        assert opset == done.record["opset"] == form.opset
    assert done.parity["model_ort.onnx"]["ort"]["agreement_reference"] == 1
    assert done.parity["int_model.pt"] == {}
    assert done.record["input"]["type"] == form.io.source
    if form.dynamic_batch:
        assert _classes_of_three(tmp_path / "compile" / "model_ort.onnx").shape == (3, blocks.HEIGHT, blocks.WIDTH)


def _classes_of_three(path: Path) -> np.ndarray:
    return Ort().load(path, 1).run(np.zeros((3, 3, blocks.HEIGHT, blocks.WIDTH), np.uint8))


def test_openvinos_own_format_is_a_row_of_each_kind(compile_blocks: Compile) -> None:
    pytest.importorskip("openvino", reason="needs the extra: runtimes")
    done = compile_blocks(runtimes=("openvino",))
    for name, kind in (("model_float.xml", "openvino"), ("model_openvino.xml", "openvino_int8")):
        record, entry = done.record["artefacts"][name], done.parity[name]["openvino"]
        assert (record["kind"], [*record["parts"]]) == (kind, [name.replace(".xml", ".bin")])
        assert (entry["status"], entry.get("convolutions_int8", 0) > 0) == ("ok", kind == "openvino_int8")


def test_mnns_switches_are_its_converters(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Sequence[str]] = {}
    monkeypatch.setattr(Mnn, "convert", lambda self, source, made, options: given.update({made.name: options}))
    settings = replace(blocks.settings(runtimes=("mnn",)), mnn=MnnSettings(optimize=2, weight_bits=4))
    pipeline.compile_into(tmp_path, network, blocks.pictures(), settings, lambda line: None)
    assert given["model_float_w4.mnn"] == ("--weightQuantBits", "4", "--optimizeLevel", "2")
    assert given["model_float_static.mnn"] == ("--saveStaticModel", "--optimizeLevel", "2")
    assert "model_float_w8.mnn" not in given


def test_without_labels_there_is_no_mean_iou(compile_blocks: Compile) -> None:
    entry = compile_blocks(labelled=False).parity["model_ort.onnx"]["ort"]
    assert (entry["mean_iou"], entry["status"], entry["images"]) == (None, "ok", 2)


def _spoilt(model: onnx.ModelProto) -> onnx.ModelProto:
    """The scale of the first convolution's weights, where they are int8, becomes a tenth larger."""
    constants = {constant.name: constant for constant in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and len(getattr(constants.get(node.input[0]), "dims", [])) == 4:
            scale = constants[node.input[1]]
            larger = onnx.numpy_helper.to_array(scale) * np.float32(1.1)
            scale.CopyFrom(onnx.numpy_helper.from_array(larger, scale.name))
            break
    return model


def _before(folder: Path) -> Path:
    """An earlier compilation."""
    folder.mkdir()
    (folder / "manifest.json").write_text("earlier")
    return folder


def _is_untouched(folder: Path) -> bool:
    return [path.name for path in folder.iterdir()] == ["manifest.json"] and [*folder.parent.iterdir()] == [folder]


def test_a_wrong_file_names_the_first_tensor_that_departs(
    compile_blocks: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real = _before(tmp_path / "compile"), pipeline.to_onnx
    monkeypatch.setattr(pipeline, "to_onnx", lambda *given: _spoilt(real(*given)))
    with pytest.raises(UserError, match=r"^model.onnx is wrong: shrink \(conv2d, .*scale steps, .* on blocks; "):
        compile_blocks()
    assert _is_untouched(folder)


def test_too_few_equal_pixels_fail_where_every_tensor_is_near(
    compile_blocks: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _before(tmp_path / "compile")
    monkeypatch.setattr(StageOutputs, "agreement", lambda outputs, one, other: 0.9989)
    with pytest.raises(UserError, match=r"^model.onnx agrees with stage calib on 99.890% of pixels only \(limit 99.9"):
        compile_blocks()
    assert _is_untouched(folder)


def test_a_wrong_float_file_fails(
    compile_blocks: Compile, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real = _before(tmp_path / "compile"), pipeline.to_onnx

    def wrong(program: Any, *given: Any) -> onnx.ModelProto:
        model = real(program, *given)
        if program is network.float_program:
            model.graph.initializer[0].CopyFrom(_turned(model.graph.initializer[0]))
        return model

    monkeypatch.setattr(pipeline, "to_onnx", wrong)
    with pytest.raises(UserError, match=r"^model_float.onnx agrees with stage float on .* only \(limit 99.99%\)"):
        compile_blocks()
    assert _is_untouched(folder)


def _turned(constant: onnx.TensorProto) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(constant), constant.name)


def test_another_int_model_is_noticed(compile_blocks: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pipeline.save_network
    monkeypatch.setattr(pipeline, "save_network", lambda model, *given: real(blocks.Blocks().eval(), *given))
    with pytest.raises(UserError, match=r"^int_model.pt doesn't give what int_infer gives on blocks"):
        compile_blocks()
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        (Aborts(), r"ort .* crashed \(SIGABRT\) while running model_ort.onnx; "),
        (Shifts(), r"changes \d+\.\d+% more pixels than int_infer \(limit 0.15%\)"),
        (Explodes(), r"model_ort.onnx .* gives NaN or infinity"),
    ],
)
def test_a_bad_runtime_is_a_row_with_the_reason(
    runtime: Faulty, reason: str, compile_blocks: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qat.runtimes, "RUNTIMES", (runtime,))
    done = compile_blocks()
    entry = done.parity["model_ort.onnx"]["ort"]
    assert entry["status"] == "failed"
    assert re.match(reason, entry["reason"])
    assert read_json(tmp_path / "compile" / "parity.json") == done.parity


@pytest.mark.parametrize("where", ["qat.compile.pipeline.onnx.save", "qat.compile.pipeline.write_picture"])
def test_a_full_disk_is_one_line(
    where: str, compile_blocks: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = _before(tmp_path / "compile")
    monkeypatch.setattr(where, full)
    with pytest.raises(UserError, match=r"^can't write .*/compile: No space left on device; check the folder"):
        compile_blocks()
    assert _is_untouched(folder)


def test_a_wrong_runtime_gets_the_nearest_name(compile_blocks: Compile) -> None:
    with pytest.raises(UserError, match=r"^unknown runtime openvin; did you mean openvino\?$"):
        compile_blocks(runtimes=("openvin",))


def test_a_runtime_that_is_not_installed(compile_blocks: Compile, monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent(Mnn):
        module = "nowhere_to_be_found"

    monkeypatch.setattr(qat.runtimes, "RUNTIMES", (Ort(), Absent()))
    with pytest.raises(UserError, match=r"^nowhere_to_be_found is not installed; pip install"):
        compile_blocks(runtimes=("mnn",))
    assert pipeline.chosen_runtimes(pipeline.AUTO) == ["ort"]


def test_without_onnx_runtime_it_is_one_line_before_anything_is_computed(tmp_path: Path) -> None:
    """Files are proven in ONNX Runtime, whichever runtimes are asked for: this was a traceback."""
    with without("onnxruntime"), pytest.raises(UserError) as seen:
        pipeline.compile_into(tmp_path, None, [], blocks.settings(runtimes=("torchscript",)), print)  # type: ignore[arg-type]
    assert str(seen.value) == 'onnxruntime is not installed; pip install "rtseg-qat[runtimes]"'
    assert not list(tmp_path.iterdir())
