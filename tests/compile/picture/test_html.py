from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from qat.compile.picture import html_of, write_picture
from qat.errors import UserError
from qat.program.steps import Program
from tests.compile.picture.programs import pidnet, step

ODD = "odd </script><&\"'> name"


class Page(HTMLParser):
    """What a browser would find: element ids, what is loaded from elsewhere, the steps' facts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.json = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.tags.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.loaded += [given[key] for key in ("src", "href", "xlink:href", "data", "srcset") if key in given]
        self.reading = given.get("id") == "steps"

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["script"] and self.reading:
            self.json += data

    def handle_endtag(self, tag: str) -> None:
        self.reading = False

    @property
    def steps(self) -> dict[str, dict[str, object]]:
        return json.loads(self.json)


def test_every_step_has_an_anchor_and_its_facts() -> None:
    program, page = pidnet(), Page(html_of(pidnet(), "t", {"deep": {"sqnr_db": 20.0, "max_error": 0.5}}))
    assert [name for name in page.ids if name.startswith("node-")] == [f"node-{step.name}" for step in program.steps]
    assert list(page.steps) == [step.name for step in program.steps]
    facts = page.steps["deep"]["facts"]
    assert list(facts)[:5] == ["Operation", "Module", "Shape", "Type", "Scale"]
    assert (facts["Error: SQNR (dB)"], facts["Error: max error"]) == ("20", "0.5")
    assert not any(key.startswith("Error") for key in page.steps["stem"]["facts"])


def test_every_step_names_what_it_reads_and_who_reads_it() -> None:
    fused = Page(html_of(pidnet(), "t")).steps["fused"]
    assert (fused["inputs"], fused["readers"]) == (["gate", "pag", "resized"], ["logits"])


def test_a_step_that_reads_a_tensor_twice_is_named_once() -> None:
    steps = Page(html_of(Program((step("x"), step("twice", "x", "x")), ("twice",)), "t")).steps
    assert (steps["x"]["readers"], steps["twice"]["inputs"]) == (["twice"], ["x"])


def test_the_page_loads_nothing() -> None:
    text = html_of(pidnet(), "t")
    assert [address for address in Page(text).loaded if not address.startswith(("data:", "#"))] == []
    assert not re.findall(r"url\((?!#)|@import|fetch\(|XMLHttpRequest|import\(", text)
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) == {"http://www.w3.org/2000/svg"}


def test_the_script_finds_every_element_that_it_asks_for() -> None:
    text = html_of(pidnet(), "t")
    asked = set(re.findall(r'byId\("(\w+)"\)', text))
    assert asked > {"search", "panel", "picture", "steps"}
    assert asked <= set(Page(text).ids)


def test_names_with_markup_stay_text() -> None:
    page = Page(html_of(Program((step(ODD), step("y", ODD)), ("y",)), ODD))
    assert list(page.steps) == [ODD, "y"]
    assert f"node-{ODD}" in page.ids
    assert page.tags.count("script") == 2


def test_both_files_are_written_and_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_picture(pidnet(), tmp_path / name, "t")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["graph.html", "graph.svg"]
    for name in ("graph.html", "graph.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_folder_that_cant_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"can't write .*graph\.svg"):
        write_picture(pidnet(), tmp_path / "file", "t")
