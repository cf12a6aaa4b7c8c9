from __future__ import annotations

from pathlib import Path

import pytest

from qat.errors import UserError
from qat.files import read_yaml


def aliases(row: str) -> str:
    """Eight rows, each of nine aliases of the row before."""
    return "\n".join(f"a{i}: " + row.format(now=i, before=", ".join([f"*a{i - 1}"] * 9)) for i in range(1, 9))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 5000, "is nested too deep"),
        ("a: &a {b: *a}", "grows beyond 10000 values by its aliases"),
        ("a0: &a0 [1]\n" + aliases("&a{now} [{before}]"), "grows beyond"),
        ("a0: &a0 {k: 1}\n" + aliases("&a{now} {{<<: [{before}]}}"), "grows beyond"),
        ("- a", "holds no keys; expected a YAML mapping such as A: 1"),
        ("", "holds no keys"),
        ("a: [", "is not valid YAML"),
        ("a: 2024-13-45", "is not valid YAML"),
        ("a: 1\nb: 2\na: 3", "has the key a twice, in lines 1 and 3; keep one of them"),
        ("a:\n  - {b: 1, c: {d: 1, 'd': 2}}", "has the key d twice, in lines 2 and 2"),
    ],
    ids=["deep", "itself", "aliases of aliases", "merged", "list", "empty", "open", "no date", "twice", "twice below"],
)
def test_yaml_that_is_no_mapping_or_grows(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_yaml(path, "A: 1")
    assert str(caught.value).startswith(f"{path} {said}")
    assert "\n" not in str(caught.value)


def test_yaml_that_cant_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\xd8")
    for name, said in (("none", "can't read .*: No such file"), ("", "Is a directory"), ("binary", "not valid YAML")):
        with pytest.raises(UserError, match=said):
            read_yaml(tmp_path / name, "A: 1")


def test_an_alias_in_yaml_is_its_value(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text("a: &size [1, 2]\nb: *size")
    assert read_yaml(tmp_path / "some.yaml", "A: 1") == {"a": [1, 2], "b": [1, 2]}
