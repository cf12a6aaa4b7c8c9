from __future__ import annotations

import subprocess
import sys

import pytest

from qat.config import CHOICES, default_config, load_config
from qat.config.checks import AT_LEAST, AT_MOST, MOST, RULES, opsets
from qat.config.loading import _flatten
from qat.errors import UserError

WRONG = {
    "NAME": ["a/b", "../b", "..", "a\\b", "a\nb", "'  '", "ü" * 101],
    "MODEL.OUTPUT": ["1.5", "True"],
    "LOSS.OHEMTHRES": ["0.0", "1.5"],
    "LOSS.BALANCE_WEIGHTS": ["[1.0]", "[-0.1, 1.0]", "[0.4, 1.0, 1.0]"],
    "LOSS.SB_WEIGHTS": ["-1.0"],
    "DATASET.MEAN": ["[]", "['a', 0.5, 0.5]", "[123.675, 116.28, 103.53]", "[-0.1, 0.5, 0.5]"],
    "DATASET.STD": ["[]", "[0.2, 0.0, 0.2]", "[0.2, None, 0.2]", "[58.395, 57.12, 57.375]"],
    "TRAIN.IMAGE_SIZE": ["[512]", "[512, 0]", "[512.0, 256]"],
    "TRAIN.COLOR": ["-0.1", "11.0"],
    "TRAIN.LR": ["0.0", "-0.1", "1e400"],
    "TRAIN.LR_POWER": ["-0.9"],
    "TRAIN.MOMENTUM": ["-0.1", "1.0"],
    "TRAIN.WD": ["-0.1"],
    "TRAIN.EMA": ["-0.1", "1.0"],
    "TRAIN.BN_MOMENTUM": ["-0.1", "1.5"],
    "TEST.IMAGE_SIZE": ["[512, 256, 3]", "[-512, 256]", "[32769, 8]", "[1000000000, 1000000000]"],
    "COMPILE.INPUT_SIZE": ["[512]", "1024,0", "1024,2048,3", "[64.0, 64]", "-8,8"],
    "QUANT.PERCENTILE": ["50", "100.5", "-1.0"],
    "QUANT.AVERAGING_CONSTANT": ["abc", "-0.1", "1.5", "True", "[0.1]"],
    "QUANT.MAX_DROP": ["-0.1", "1.0"],
    "QUANT.GATE": ["0", "1.01", "99.0"],
    "QAT.LR": ["0.0", "1.0"],
    "QAT.SCALE_LR": ["0.0", "1.0"],
    "QAT.MIN_LR": ["-0.1", "1.0"],
    "QAT.EMA": ["-0.1", "1.0"],
    "QAT.LABELS": ["-1.0", "1e400"],
    "QAT.LOGITS": ["-1.0", "1e400"],
    "QAT.BOUNDARY": ["-1.0", "1e400"],
}
RIGHT = {
    "NAME": "mein nächster, 2",
    "MODEL.OUTPUT": "-1",
    "LOSS.OHEMTHRES": "1",
    "LOSS.BALANCE_WEIGHTS": "[0, 1]",
    "LOSS.SB_WEIGHTS": "0",
    "DATASET.MEAN": "[0, 0, 1]",
    "DATASET.STD": "[1, 1, 1]",
    "TRAIN.IMAGE_SIZE": "[1, 1]",
    "TRAIN.COLOR": "0",
    "TRAIN.LR": "1",
    "TRAIN.LR_POWER": "0",
    "TRAIN.MOMENTUM": "0",
    "TRAIN.WD": "0",
    "TRAIN.EMA": "0",
    "TRAIN.BN_MOMENTUM": "1",
    "TEST.IMAGE_SIZE": "(8, 8)",
    "COMPILE.INPUT_SIZE": "1,1",
    "QUANT.PERCENTILE": "100",
    "QUANT.AVERAGING_CONSTANT": "1",
    "QUANT.MAX_DROP": "0.0005",
    "QUANT.GATE": "1",
    "QAT.LR": "0.999",
    "QAT.SCALE_LR": "0.999",
    "QAT.MIN_LR": "0",
    "QAT.EMA": "0",
    "QAT.LABELS": "0",
    "QAT.LOGITS": "0",
    "QAT.BOUNDARY": "0",
}


def test_every_rule_has_a_case() -> None:
    assert WRONG.keys() == RIGHT.keys() == RULES.keys()


@pytest.mark.parametrize(("key", "text"), [(key, text) for key, texts in WRONG.items() for text in texts])
def test_a_wrong_value_is_named_with_what_is_right(key: str, text: str) -> None:
    with pytest.raises(UserError) as caught:
        load_config(None, [key, text])
    assert str(caught.value).startswith(f"{key} is ")
    assert RULES[key][1] in str(caught.value)


@pytest.mark.parametrize(("key", "text"), RIGHT.items())
def test_a_value_at_the_limit_is_taken(key: str, text: str) -> None:
    load_config(None, [key, text])


@pytest.mark.parametrize(("key", "least"), AT_LEAST.items())
def test_a_count_has_a_least_value(key: str, least: int) -> None:
    load_config(None, [key, str(least), "DATASET.LABELS", "trainIds"])
    with pytest.raises(UserError, match=f"^{key} is {least - 1}; expected at least {least}$"):
        load_config(None, [key, str(least - 1), "DATASET.LABELS", "trainIds"])


@pytest.mark.parametrize(("key", "choice"), [(key, choice) for key, choices in CHOICES.items() for choice in choices])
def test_every_choice_is_taken(key: str, choice: str) -> None:
    section, name = key.split(".")
    network = "yolov5n" if choice == "letterbox" else "pidnet_s"
    assert load_config(None, ["MODEL.NAME", network, key, choice])[section][name] == choice


def test_no_observation_constant_means_equal_weights() -> None:
    assert load_config(None).QUANT.AVERAGING_CONSTANT is None


def test_every_default_is_one_of_its_key_s_words() -> None:
    defaults = default_config()
    for key, words in CHOICES.items():
        section, name = key.split(".")
        assert defaults[section][name] in (*words, None)
        assert len(set(words)) == len(words) > 0


@pytest.mark.parametrize("wrong", [12, 22])
def test_the_operator_set_is_one_that_the_writer_knows(wrong: int) -> None:
    assert opsets() == range(13, 22)
    assert load_config(None, ["COMPILE.OPSET", "13"]).COMPILE.OPSET == 13
    said = f"COMPILE.OPSET is {wrong}; expected an ONNX operator set from 13 to 21, such as 17"
    with pytest.raises(UserError, match=said):
        load_config(None, ["COMPILE.OPSET", str(wrong)])


def test_importing_the_room_imports_no_other() -> None:
    code = "import sys, qat.config; print({'torch', 'onnx', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


NOT_READ = ("TRAIN.EXTRA_LR", "TRAIN.BEGIN_EPOCH", "TRAIN.EXTRA_EPOCH", "TEST.OUTPUT_INDEX")  # official keys
ELSEWHERE = ("COMPILE.OPSET", "TRAIN.IGNORE_LABEL")  # one word alone is right


def test_every_numeric_key_has_a_range() -> None:
    numeric = {key for key, value in _flatten(default_config()) if type(value) in (int, float)}
    assert numeric - {*AT_LEAST, *RULES, *NOT_READ, *ELSEWHERE} == set()


@pytest.mark.parametrize("key", sorted(AT_LEAST))
def test_numbers_beyond_measure_are_named(key: str) -> None:
    most = AT_MOST.get(key, MOST)
    with pytest.raises(UserError, match=f"{key} is {most + 1}; expected at most {most}"):
        load_config(None, ["DATASET.LABELS", "trainIds", key, str(most + 1)])


@pytest.mark.parametrize("level", range(4))
def test_the_vendors_numbers_for_the_compilers_level(level: int) -> None:
    found = load_config("streets/pidnet_s", ["COMPILE.OPT", str(level)]).COMPILE.OPT
    assert found == ("O0", "O1", "O2", "O3")[level]


def test_a_processor_with_another_api_is_refused_by_name() -> None:
    with pytest.raises(
        UserError, match=r"COMPILE.MARCH is 'nash-e'; nash \(J6, S100\) has another API: prepare\(model"
    ):
        load_config("streets/pidnet_s", ["COMPILE.MARCH", "nash-e"])
    assert load_config("streets/pidnet_s", ["COMPILE.MARCH", "bayes_e"]).COMPILE.MARCH == "bayes_e"
