"""The report in Debian's Chromium: what only a browser can tell."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qat.report.page import WorstPictures, page
from qat.report.pictures import draw
from tests.report.fakes import CLASSES, bare, shown, sources

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
SIZE = (120, 240)
VISIBLE = "element => element.checkVisibility({visibilityProperty: true})"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@dataclass
class Opened:
    """A page, and what it said and asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    def clips(self) -> list[str]:
        """How the two layers that are shown are cut."""
        cut = "[...document.querySelectorAll('.chosen .left, .chosen .right')].map(f => getComputedStyle(f).clipPath)"
        return list(self.evaluate(cut))


@dataclass
class Opener:
    """Opens pages with a context's options (color_scheme, viewport, has_touch...)."""

    browser: Any
    address: str
    contexts: list[Any] = field(default_factory=list)

    def __call__(self, address: str = "", **options: Any) -> Opened:
        context = self.browser.new_context(**options)
        self.contexts.append(context)
        opened = Opened(context.new_page())
        opened.page.on("console", lambda message: opened.said.append(message.text))
        opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
        opened.page.on("request", lambda request: opened.asked.append(request.url))
        opened.page.goto(address or self.address)
        return opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawn = [draw(shown(f"p{i}", 20 - i, size=SIZE), CLASSES.palette, "int_infer") for i in range(3)]
    pictures = WorstPictures("int_infer", tuple(drawn), tuple(each.changed for each in drawn))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(sources(), pictures, CLASSES, "a.yaml", "make report"), encoding="utf-8")
    return path


@pytest.fixture
def opener(browser: Any, report: Path) -> Iterator[Opener]:
    made = Opener(browser, report.as_uri())
    yield made
    for context in made.contexts:
        context.close()


def lightness(opened: Opened) -> float:
    """Of the page's background, 0 to 255."""
    colour = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    return float(np.mean([float(part) for part in colour.strip("rgba()").split(",")[:3]]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_error_nothing_from_elsewhere_and_every_picture_loaded(opener: Opener, scheme: str) -> None:
    opened = opener(color_scheme=scheme)
    widths = opened.evaluate("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))")
    assert len(widths) == 3 * 6 + 9  # five layers and a thumbnail each, and the frames of a video
    assert min(widths) > 0
    assert opened.said == []
    assert {address.partition(":")[0] for address in opened.asked} <= {"file", "data"}
    assert (lightness(opened) > 200) == (scheme == "light")


def test_a_page_that_does_wrong_is_noticed(opener: Opener, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text('<img src="http://127.0.0.1:9/x.png"><script>nothing()</script>')
    opened = opener(bad.as_uri())
    assert any("nothing" in line for line in opened.said)
    assert any(address.startswith("http:") for address in opened.asked)
    assert opened.evaluate("document.images[0].naturalWidth") == 0


def test_dragging_moves_the_line(opener: Opener) -> None:
    opened = opener()
    frame = opened.page.locator(".chosen .frame")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert opened.clips() == ["inset(0px 50% 0px 0px)", "inset(0px 0px 0px 50%)"]
    mouse, middle = opened.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] / 2, middle)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 4, middle, steps=4)
    assert opened.clips() == ["inset(0px 75% 0px 0px)", "inset(0px 0px 0px 25%)"]
    mouse.up()
    mouse.move(box["x"] + box["width"] / 2, middle)
    assert opened.clips()[1] == "inset(0px 0px 0px 25%)"  # let go
    assert opened.page.locator(".chosen .divider").bounding_box()["x"] == pytest.approx(
        box["x"] + box["width"] / 4, abs=3
    )


def test_keys_move_the_line(opener: Opener) -> None:
    opened = opener()
    opened.page.locator(".chosen .split").focus()
    opened.page.keyboard.press("ArrowRight")
    assert opened.clips()[1] == "inset(0px 0px 0px 51%)"
    opened.page.keyboard.press("Home")
    assert opened.clips()[1] == "inset(0px 0px 0px 0%)"
    assert opened.page.locator(".chosen .split").get_attribute("aria-valuetext") == "0 %"


def test_a_finger_moves_the_line(opener: Opener) -> None:
    opened = opener(has_touch=True, viewport={"width": 390, "height": 800})
    frame = opened.page.locator(".chosen .frame")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    opened.page.touchscreen.tap(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    assert opened.clips()[1] == "inset(0px 0px 0px 80%)"


def test_pictures_and_layers_are_chosen(opener: Opener) -> None:
    opened = opener()
    opened.page.get_by_role("button", name="Picture 2").click()
    assert opened.evaluate("[...document.querySelectorAll('.picture')].map(p => p.checkVisibility())") == [
        *(False, True, False)
    ]
    opened.page.locator('[data-side="left"] label', has_text="Truth").click()
    shown_now = f"[...document.querySelectorAll('.chosen figure')].filter({VISIBLE}).map(f => f.dataset.layer)"
    assert opened.evaluate(shown_now) == ["truth", "difference"]
    opened.page.locator('input[name="left"][value="truth"]').press("ArrowLeft")
    assert opened.evaluate(shown_now) == ["image", "difference"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_button_turns_light_and_dark(opener: Opener, scheme: str) -> None:
    opened = opener(color_scheme=scheme)
    found = []
    for _ in range(2):
        opened.page.get_by_role("button", name="Dark or light").click()
        found.append(lightness(opened) > 128)
    assert found == [scheme == "dark", scheme == "light"]


def test_on_paper_it_is_light_and_every_picture_is_there(opener: Opener) -> None:
    opened = opener(color_scheme="dark")
    opened.page.emulate_media(media="print", color_scheme="dark")
    assert lightness(opened) == 255
    visible = "(query) => [...document.querySelectorAll(query)].filter(e => e.checkVisibility()).length"
    assert opened.page.evaluate(visible, ".frame img") == 15
    assert opened.page.evaluate(visible, "nav, .thumb, .split, .pick") == 0
    assert opened.page.pdf()[:5] == b"%PDF-"


def test_without_scripts_every_picture_is_there(opener: Opener) -> None:
    opened = opener(java_script_enabled=False)
    assert opened.page.locator(".frame img").count() == 15
    assert all(image.is_visible() for image in opened.page.locator(".frame img").all())
    assert not opened.page.locator(".split").first.is_visible()


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_nothing_sticks_out_at_any_width(opener: Opener, width: int) -> None:
    opened = opener(viewport={"width": width, "height": 800})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_that_can_be_used_has_a_name(opener: Opener) -> None:
    opened = opener()
    for role in ("button", "slider", "radio", "link"):
        for each in opened.page.get_by_role(role).all():
            assert each.get_attribute("aria-label") or each.text_content() or each.locator("xpath=..").text_content()
    assert opened.evaluate("[...document.images].every(image => image.hasAttribute('alt'))")


def test_with_float_alone_it_opens_too(opener: Opener, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(bare(), WorstPictures(why="Not yet.", command="make calib"), CLASSES, "a.yaml", "make report"))
    opened = opener(path.as_uri())
    opened.page.get_by_role("button", name="Dark or light").click()
    assert opened.said == []
