from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from qat.invocation import command
from qat.report.page import WorstPictures, again, headline, page
from qat.report.parts.layers import BOTTOM, HEIGHT, LEFT, TOP, WIDTH
from qat.report.pictures import LOST, OTHER, WON, draw
from qat.report.sources import Sources
from tests.report.fakes import CLASSES, bare, metrics, shown, sources

EVIL = "<script>alert(1)</script>\"'&"


class Elements(HTMLParser):
    """What a browser would find: tags, ids, addresses, and the text between tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.given: list[dict[str, str]] = []
        self.said: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.given.append({key: value or "" for key, value in attrs})

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def all(self, key: str) -> list[str]:
        return [given[key] for given in self.given if key in given]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


def pictures(count: int = 2, truth: bool = True) -> WorstPictures:
    drawn = tuple(draw(shown(f"p{i}", truth=truth), CLASSES.palette, "int_infer") for i in range(count))
    return WorstPictures("int_infer", drawn, tuple(each.changed for each in drawn))


def written(found: Sources, images: WorstPictures | None = None) -> str:
    return page(found, images or pictures(), CLASSES, "configs/a.yaml", "python tools/report.py")


def test_it_holds_every_part() -> None:
    text = Elements(written(sources())).text
    for expected in (
        *("tiny on streets", "int_infer keeps 99.44", "sky", "28.4", "−2.00"),
        *("calib against float", "int_infer against calib", "keepdim=True", "the sum is read twice", "takes no QDQ"),
        *("no converter", "77aa", "keep add in float", "The grid of all 4 tensors", "python tools/report.py"),
        *("compiled mnn is left out", "make eval STAGE=compiled RUNTIME=mnn CFG=configs/a.yaml"),
    ):
        assert expected in text


def test_the_classes_are_scored_in_the_words_of_the_task() -> None:
    named = {"mean_iou": "top1", "class_iou": "class_top1", "pixel_acc": "top5", "pixels_changed": "top1_changed"}
    stages = {stage: {named.get(k, k): v for k, v in one.items()} for stage, one in sources().metrics.items()}
    text = Elements(written(sources(metrics=stages))).text
    assert "float top 1" in text
    assert "top 1 in percent" in text
    assert "IoU" not in text


def test_what_isnt_there_names_the_command_that_makes_it() -> None:
    text = Elements(
        written(bare(), WorstPictures(why="Not yet.", command=command("eval", "configs/a.yaml", stage="int_infer")))
    ).text
    for target in ("calib", "debug", "compile", "eval STAGE=int_infer"):
        assert f"make {target} CFG=configs/a.yaml" in text


def test_nothing_comes_from_elsewhere() -> None:
    html = written(sources())
    found = Elements(html)
    assert all(address.startswith("data:") for address in found.all("src"))
    assert all(re.match(r"data:|#|\.\./compile/graph\.html", address) for address in found.all("href"))
    assert not re.findall(r"https?:|url\(|@import|fetch\(|XMLHttpRequest|import\(", html)


def test_every_name_is_escaped() -> None:
    found = sources(
        title=EVIL,
        stale=(EVIL,),
        debug=bare().debug | {"advice": {"steps": [dict.fromkeys(("why", "try", "command"), EVIL)]}},
    )
    plain, evil = Elements(written(sources())), Elements(written(found, pictures()))
    assert evil.tags.count("script") == plain.tags.count("script") == 2
    assert evil.text.count("alert(1)") >= 5


def test_the_contents_lead_somewhere_and_ids_are_unique() -> None:
    found = Elements(written(sources()))
    ids = found.all("id")
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in found.all("href") if address.startswith("#")} <= set(ids)
    assert set(found.all("aria-controls")) <= set(ids)


def test_layers_lead_to_their_nodes_only_where_there_is_a_graph() -> None:
    places = 5  # of `add`, which only the first pair has: column, table, sensitivity, histogram, grid
    assert written(sources()).count('href="../compile/graph.html#node-add"') == places
    assert "#node-" not in written(sources(graph=""))


def test_the_same_run_gives_the_same_page() -> None:
    assert written(sources()) == written(sources())


def test_the_headline_says_what_to_do_only_where_something_is_wrong() -> None:
    assert headline(sources()).endswith("passes the gate of 99.00\N{NO-BREAK SPACE}%")
    assert "debug" in headline(sources(metrics={"float": metrics(), "int_infer": metrics((0.5, 0.5, 0.3), 0.2)}))
    assert headline(bare()).endswith("next: make calib")


def test_a_headline_s_percent_signs_stand_behind_one_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qat.report.page.verdict", lambda *_: "keeps 99.00% of the points within 5 %")
    assert headline(bare()) == "keeps 99.00 % of the points within 5 %".replace(" %", "\N{NO-BREAK SPACE}%")


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("calib", "calib"),
        ("debug", "debug"),
        ("int_infer", "eval STAGE=int_infer"),
        ("compiled ort", "eval STAGE=compiled RUNTIME=ort"),
    ],
)
def test_what_makes_a_stage_again(name: str, target: str) -> None:
    assert again(name, "a.yaml") == f"make {target} CFG=a.yaml"


def test_where_the_package_is_installed_the_page_names_no_makefile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qat.invocation.in_checkout", lambda: False)
    nothing = WorstPictures(why="Not yet.", command=again("int_infer", "a.yaml"))
    drawn = written(sources(debug=sources().debug | {"advice": {}}))
    empty = written(bare(), nothing)
    for line in ("calib -c configs/a.yaml", "debug -c configs/a.yaml", "eval --stage int_infer -c a.yaml"):
        assert f"rtseg-qat {line}" in Elements(empty).text
    assert "rtseg-qat eval --stage compiled -c configs/a.yaml COMPILE.RUNTIME mnn" in Elements(drawn).text
    assert not re.search(r"\bmake (calib|debug|compile|eval|report)", drawn + empty)


def test_the_templates_and_the_geometry_agree() -> None:
    """The numbers that the templates and the styles repeat."""
    html = written(sources())
    assert f'viewBox="0 0 {WIDTH} {HEIGHT}"' in html
    assert f'x1="{LEFT}" x2="{WIDTH}"' in html
    assert f'y="{TOP}"' in html
    assert f'height="{HEIGHT - BOTTOM - TOP}"' in html
    for kind, colour in (("lost", LOST), ("won", WON), ("other", OTHER)):
        assert f".key.{kind} {{ background: #{bytes(colour).hex()}; }}" in html
