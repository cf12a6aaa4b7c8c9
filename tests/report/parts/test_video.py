from __future__ import annotations

from qat.report.parts.video import HEIGHT, WIDTH, video_panels
from tests.report.fakes import sources, video
from tests.report.test_page import EVIL, Elements, written


def test_a_panel_has_both_curves_in_one_scale() -> None:
    (panel,) = video_panels({"int_infer": [video()]})
    assert (panel.stage, panel.name, panel.frames, panel.top) == ("int_infer", "drive.mp4", 61, "3.1")
    assert [(curve.stage, curve.mean) for curve in panel.curves] == [("float", "2.00"), ("int_infer", "2.10")]
    for curve in panel.curves:
        points = [tuple(map(float, point.split(","))) for point in curve.points.split()]
        assert len(points) == 60
        assert (points[0][0], points[-1][0]) == (0, WIDTH)
        assert all(0 <= y <= HEIGHT for _, y in points)
    tops = [min(float(point.split(",")[1]) for point in curve.points.split()) for curve in panel.curves]
    assert tops[1] == 0 < tops[0]
    assert [number for number, _ in panel.strip] == [1 + 5 * index for index in range(9)]


def test_a_video_of_one_frame_or_of_boxes_has_no_curve() -> None:
    (panel,) = video_panels({"float": [video() | {"curves": {"float": []}, "flicker": {}}]})
    assert panel.curves == ()


def test_the_page_shows_it_and_escapes_its_name() -> None:
    html = written(sources(videos={"int_infer": (video() | {"video": EVIL},)}))
    section = html.partition('<section id="video">')[2].partition("</section>")[0]
    assert section.count("<polyline") == 2
    assert section.count('alt="Frame ') == 9
    assert "alert(1)" in Elements(html).text
    assert "<script>alert" not in html
    assert "No video went through a stage" in written(sources(videos={}))
