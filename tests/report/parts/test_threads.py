"""The plot of speed by threads: the fastest file of each runtime, scaled to the fastest of all."""

from __future__ import annotations

from qat.report.parts.threads import HEIGHT, WIDTH, thread_plot

MACHINE = {"cpu": "a CPU", "cores": 4}


def row(artefact: str, runtime: str, **times: float) -> dict[str, object]:
    milliseconds = {count.removeprefix("on"): time for count, time in times.items()}
    return {"artefact": artefact, "runtime": runtime, "milliseconds": milliseconds}


def test_each_runtimes_fastest_file_is_a_line() -> None:
    rows = [
        row("a", "ort", on1=20, on2=10, on4=5),
        row("b", "ort", on1=40),
        row("c", "mnn", on1=40, on2=20),
        row("d", "x"),
    ]
    plot = thread_plot({"rows": rows, "machine": MACHINE})
    assert plot is not None
    assert [(line.runtime, line.artefact) for line in plot.lines] == [("ort", "a"), ("mnn", "c")]
    assert plot.lines[0].points == f"0.0,{HEIGHT * 0.75} {WIDTH / 2},{HEIGHT / 2:.1f} {WIDTH}.0,0.0"
    assert plot.lines[1].end == (WIDTH / 2, HEIGHT * 0.75)
    assert plot.ticks == ((0.0, 1), (WIDTH / 2, 2), (float(WIDTH), 4))
    assert (plot.most, plot.lines[1].figures) == ("200.0", "25.0 on 1, 50.0 on 2")


def test_without_times_there_is_no_plot() -> None:
    assert thread_plot({}) is None
    assert thread_plot({"rows": [row("d", "x")], "machine": MACHINE}) is None
