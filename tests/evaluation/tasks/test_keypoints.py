"""Key points: decoded from maps whose peaks are known, held against float, scored, drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from qat.data import read_descriptor
from qat.deploy.heat_maps import points_of
from qat.errors import UserError
from qat.evaluation import evaluate
from qat.evaluation.metrics import metrics, share_of_float
from qat.evaluation.tasks import Frame, find_task
from qat.evaluation.tasks.keypoints import with_points

TASK, SIZE = find_task("keypoints"), (128, 96)
NAMES = ("head", "hip", "foot")
AREA = 4000.0  # of a person in pixels


def gaussian(places: np.ndarray, shape: tuple[int, int] = (32, 24), sigma: float = 2.0) -> np.ndarray:
    """Heat maps whose peaks lie at `places` (points, 2), in cells."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    off = [(columns - x) ** 2 + (rows - y) ** 2 for x, y in places]
    return np.exp(-np.array(off) / (2 * sigma**2)).astype(np.float32)


def test_points_come_back_to_a_quarter_of_a_cell() -> None:
    places = np.random.default_rng(0).uniform(3, 20, (50, 2))
    found = points_of(gaussian(places), SIZE)
    assert np.abs(found[:, :2] / 4 - places).max() <= 0.26
    assert (found[:, 2] > 0.9).all()


def test_rims_and_empty_maps_stay_where_they_are() -> None:
    maps = np.zeros((3, 8, 8), np.float32)
    maps[0, 0, 7] = 1
    maps[1, 4, 7], maps[1, 4, 6] = 1, 0.5
    assert points_of(maps, (8, 8)).tolist() == [[7, 0, 1], [7, 4, 1], [0, 0, 0]]


def measured(shift: float, labels: bool) -> dict[str, Any]:
    """Two pictures whose points a stage moves by so many cells."""
    places = np.array([[6.0, 6.0], [12.0, 14.0], [18.0, 26.0]])
    maps = torch.from_numpy(np.stack([gaussian(places)] * 2))
    moved = torch.from_numpy(np.stack([gaussian(places + np.array([shift, 0]))] * 2))
    seen = torch.tensor([[[*place, 1.0, AREA] for place in places * 4]] * 2)
    seen[1, 2, 2] = 0
    batch = {"image": torch.zeros(2, *SIZE, 3, dtype=torch.uint8), "name": ["a", "b"]}
    result = evaluate(
        lambda x: moved,
        [batch | ({"label": seen} if labels else {})],
        len(NAMES),
        to_input=lambda image: image.permute(0, 3, 1, 2).float(),
        align_corners=False,
        reference=lambda names, x: maps,
        task=TASK,
    )
    return metrics(result, NAMES, "tiny", {})


@pytest.mark.parametrize(("shift", "kept"), [(0, 1.0), (1, 1.0), (3, 0.0)])
def test_a_point_is_float_s_within_a_share_of_the_picture(shift: float, kept: float) -> None:
    found = measured(shift, labels=True)
    assert found["points_moved"] == 1 - kept
    assert found["mean_shift"] == pytest.approx(4 * shift, abs=1)
    assert (found["pck"], found["class_pck"]) == (kept, dict.fromkeys(NAMES, kept))
    assert found["oks"] == pytest.approx(np.exp(-((4 * shift) ** 2) / (2 * AREA * 0.01)), abs=0.05)


def test_a_point_is_near_by_the_side_of_the_person_s_box() -> None:
    places = np.array([[6.0, 6.0], [12.0, 14.0], [18.0, 26.0]])
    maps = [torch.from_numpy(gaussian(places + np.array([shift, 0])))[None] for shift in (0, 1)]
    for side, kept in ((100.0, 1.0), (60.0, 0.0)):  # the points move by four pixels
        tally = TASK.tally(3)
        tally.compare(*(TASK.predict(one, Frame(SIZE, sides=(side,))) for one in maps))
        assert tally.same == kept


def test_sigmas_decide_the_similarity_and_the_skeleton_is_drawn() -> None:
    maps = torch.from_numpy(gaussian(np.array([[6.0, 6.0], [12.0, 14.0], [18.0, 26.0]])))[None]
    label = torch.tensor([[[28.0, 24.0, 2.0, AREA], [48.0, 56.0, 0.0, AREA], [72.0, 104.0, 0.0, AREA]]])
    oks = []
    for sigma in (0.02, 0.1):
        tally = with_points(TASK, NAMES, (sigma,) * 3).tally(3)
        tally.score(TASK.predict(maps, Frame(SIZE)), label)
        oks.append(tally.scores(NAMES)["oks"])
    np.testing.assert_allclose(oks, np.exp(-(4.0**2) / (2 * AREA * np.array([0.04, 0.2]) ** 2)), rtol=1e-6)
    drawing = with_points(TASK, NAMES, (), ((0, 1),)).drawing
    assert drawing is not None
    people = torch.stack([TASK.predict(maps, Frame(SIZE))[0]] * 2)
    drawn = drawing.prediction(np.zeros((*SIZE, 3), np.uint8), people, read_descriptor("streets").class_set)
    assert drawn[40, 36].min() > 100


def test_without_labels_the_gate_counts_points() -> None:
    assert measured(1, labels=False)["pck"] is None
    assert share_of_float(measured(3, labels=False), measured(0, labels=False)) == 0


def test_drawn_points_and_what_moved() -> None:
    classes = read_descriptor("streets").class_set
    image = np.full((*SIZE, 3), 90, np.uint8)
    maps = [torch.from_numpy(gaussian(np.array([[x, 9.0]])))[None] for x in (6, 14)]
    first, other = (TASK.predict(one, Frame(SIZE))[0] for one in maps)
    assert TASK.drawing is not None
    drawn = TASK.drawing.prediction(image, first, classes)
    assert tuple(drawn[36, 24]) == tuple(classes.palette[0])
    assert (image == 90).all()
    changed = TASK.drawing.changes(image, first, other, classes)
    assert (changed[36, 24:56] > 150).all(1).mean() > 0.9


def test_other_outputs_are_one_line() -> None:
    def flat(x: Tensor) -> Tensor:
        return torch.zeros(len(x), 3)

    batch = {"image": torch.zeros(2, 8, 8, 3, dtype=torch.uint8), "name": ["a", "b"]}
    with pytest.raises(UserError, match=r"output is shape \(2, 3\); expected heat maps \(N, 3, h, w\)"):
        evaluate(flat, [batch], 3, to_input=lambda x: x.float(), align_corners=False, task=TASK)
