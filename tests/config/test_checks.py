from __future__ import annotations

import pytest

from qat.config import load_config
from qat.config.checks import AT_LEAST, RULES
from qat.config.defaults import CHOICES
from qat.errors import UserError

WRONG = {
    "DATASET.MEAN": ["[0.5, 0.5]", "['a', 0.5, 0.5]"],
    "DATASET.STD": ["[0.2, 0.2]", "[0.2, 0.0, 0.2]", "[0.2, None, 0.2]"],
    "TRAIN.IMAGE_SIZE": ["[512]", "[512, 0]", "[512.0, 256]"],
    "TEST.IMAGE_SIZE": ["[512, 256, 3]", "[-512, 256]"],
    "COMPILE.INPUT_SIZE": ["[512]", "1024,0", "1024,2048,3", "[64.0, 64]", "-8,8"],
    "COMPILE.OPSET": ["12", "22"],
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
    "DATASET.MEAN": "[0, 0, 0]",
    "DATASET.STD": "[1, 1, 1]",
    "TRAIN.IMAGE_SIZE": "[1, 1]",
    "TEST.IMAGE_SIZE": "(8, 8)",
    "COMPILE.INPUT_SIZE": "1,1",
    "COMPILE.OPSET": "13",
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
    load_config(None, [key, str(least)])
    with pytest.raises(UserError, match=f"^{key} is {least - 1}; expected at least {least}$"):
        load_config(None, [key, str(least - 1)])


@pytest.mark.parametrize(("key", "choice"), [(key, choice) for key, choices in CHOICES.items() for choice in choices])
def test_every_choice_is_taken(key: str, choice: str) -> None:
    section, name = key.split(".")
    assert load_config(None, [key, choice])[section][name] == choice


def test_no_observation_constant_means_equal_weights() -> None:
    assert load_config(None).QUANT.AVERAGING_CONSTANT is None
