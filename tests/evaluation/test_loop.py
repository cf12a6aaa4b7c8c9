from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qat.errors import UserError
from qat.evaluation import ConfusionMatrix, LogitStore, Result, evaluate

CLASSES = 3


def to_input(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float() / 255


class Net(nn.Module):
    """Logits at 1/8 size: the mean colour of each 8x8 block."""

    def forward(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(images, 8)


def batches(count: int = 3, size: int = 2, void: bool = True) -> Iterator[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    for start in range(0, count * size, size):
        image = (
            torch.randint(0, 256, (size, 4, 6, 3), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
        )
        label = torch.randint(0, CLASSES, (size, 32, 48), generator=generator)
        if void:
            label[:, :8] = 255
        names = [f"city/{index}" for index in range(start, start + size)]
        yield {"image": image.byte(), "label": label.byte(), "name": names}


def run(model: Any, data: Any = None, **options: Any) -> Result:
    model = model.eval() if isinstance(model, Net) else model
    given = {"to_input": to_input, "align_corners": True} | options
    return evaluate(model, batches() if data is None else data, CLASSES, **given)


def test_scores_are_those_of_full_size_argmax_in_one_matrix() -> None:
    matrix = ConfusionMatrix(CLASSES)
    for batch in batches():
        logits = Net()(to_input(batch["image"]))
        full = F.interpolate(logits, batch["label"].shape[-2:], mode="bilinear", align_corners=True)
        matrix.update(full.argmax(1), batch["label"])
    result = run(Net())
    assert result.scores == matrix.scores()
    assert result.names == tuple(f"city/{index}" for index in range(6))
    assert 0 < result.forward_seconds < result.seconds
    assert (result.changed, result.logit_sqnr) == (None, None)


def test_a_reference_equal_to_the_model_changes_nothing() -> None:
    result = run(Net(), reference=lambda names, inputs: Net()(inputs))
    assert (result.changed, result.logit_sqnr) == (0.0, math.inf)


def test_a_live_reference_runs_without_gradients() -> None:
    seen: list[bool] = []

    def reference(names: Sequence[str], inputs: Tensor) -> Tensor:
        seen.append(nn.Conv2d(3, CLASSES, 8, stride=8)(inputs).requires_grad)
        return Net()(inputs)

    run(Net(), reference=reference)
    assert seen == [False, False, False]


def test_distance_from_a_reference_is_over_all_pixels_of_all_images() -> None:
    def model(inputs: Tensor) -> Tensor:
        return Net()(inputs) + torch.tensor([0.3, 0.0, 0.0])[:, None, None]

    signal = noise = changed = pixels = 0.0
    for batch in batches():
        inputs = to_input(batch["image"])
        signal += float(Net()(inputs).double().square().sum())
        noise += float((model(inputs) - Net()(inputs)).double().square().sum())
        classes = [
            F.interpolate(f(inputs), (32, 48), mode="bilinear", align_corners=True).argmax(1) for f in (model, Net())
        ]
        changed += float((classes[0] != classes[1]).sum())
        pixels += classes[0].numel()
    result = run(model, reference=lambda names, inputs: Net()(inputs))
    assert changed > 0
    assert result.changed == pytest.approx(changed / pixels)
    assert result.logit_sqnr == pytest.approx(10 * math.log10(signal / noise), abs=1e-6)


def test_void_pixels_count_as_changed_too() -> None:
    data = [dict(batch, label=torch.full_like(batch["label"], 255)) for batch in batches()]
    result = run(lambda x: Net()(x).flip(1), data, reference=lambda names, inputs: Net()(inputs))
    assert result.changed is not None
    assert result.changed > 0.5


def test_recorded_logits_replay_as_the_reference(tmp_path: Path) -> None:
    store = LogitStore(tmp_path, "float")
    run(Net(), record=store.write)
    store.finish()
    replayed = run(lambda x: Net()(x) * 1.01, reference=LogitStore(tmp_path, "float").read)
    live = run(lambda x: Net()(x) * 1.01, reference=lambda names, inputs: Net()(inputs))
    assert (replayed.changed, replayed.logit_sqnr) == (live.changed, live.logit_sqnr)
    assert replayed.logit_sqnr == pytest.approx(40, abs=1e-3)


def test_progress_sees_every_batch() -> None:
    seen: list[tuple[int, int]] = []
    run(Net(), progress=lambda images, tally: seen.append((images, int(tally.matrix.counts.sum()))))
    valid = 2 * 24 * 48
    assert seen == [(2, valid), (2, 2 * valid), (2, 3 * valid)]


def no_labels() -> list[dict[str, Any]]:
    return [{key: value for key, value in batch.items() if key != "label"} for batch in batches()]


def test_without_labels_only_the_distance_is_measured() -> None:
    labelled, bare = (
        run(lambda x: Net()(x) * 1.01, data, reference=lambda names, inputs: Net()(inputs))
        for data in (batches(), no_labels())
    )
    assert labelled.scores is not None
    assert bare.scores is None
    assert (bare.changed, bare.logit_sqnr) == (labelled.changed, labelled.logit_sqnr)


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (Net(), [], "no images to evaluate"),
        (Net(), [*batches(1), *no_labels()], "has no label and the pictures before it one"),
        (lambda x: Net()(x)[:, :2], None, r"output is shape \(2, 2, 4, 6\); expected logits \(N, 3, h, w\)"),
        (lambda x: [Net()(x)], None, "output is a list of shape .*; .*aux=False"),
        (lambda x: Net()(x) / 0, None, "NaN or infinity in the logits of city/0, city/1"),
    ],
    ids=["empty", "labels of some", "channels", "training form", "not finite"],
)
def test_wrong_input_is_one_clear_error(model: Any, data: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(model, data)


@pytest.mark.parametrize("layer", [nn.BatchNorm2d(CLASSES), nn.Dropout2d()])
def test_a_layer_in_training_mode_is_refused_and_learns_nothing(layer: nn.Module) -> None:
    model = nn.Sequential(Net(), layer)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(UserError, match=r"layer 1 of the model is in training mode; call model\.eval\(\)"):
        evaluate(model, batches(), CLASSES, to_input=to_input, align_corners=True)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_wrapper_around_a_ready_model_is_accepted() -> None:
    wrapper = nn.Sequential(Net(), nn.BatchNorm2d(CLASSES).eval())
    assert wrapper.training
    assert evaluate(wrapper, batches(), CLASSES, to_input=to_input, align_corners=True).names


def test_a_traced_frozen_model_is_accepted() -> None:
    example = to_input(next(batches())["image"])
    frozen = torch.jit.freeze(torch.jit.trace(Net().eval(), example))
    assert run(frozen).scores == run(Net()).scores


def test_a_reference_of_another_size_is_refused() -> None:
    with pytest.raises(UserError, match=r"logits are \(2, 3, 4, 6\), the reference's \(2, 3, 2, 3\)"):
        run(Net(), reference=lambda names, inputs: F.avg_pool2d(inputs, 16))


@pytest.mark.parametrize("at", [0, 2], ids=["first", "last"])
def test_a_label_of_an_unknown_class_is_named_wherever_it_is(at: int) -> None:
    data = list(batches())
    data[at]["label"][0, 0, 0] = 77
    with pytest.raises(UserError, match="class 77"):
        run(Net(), data)


def test_one_input_buffer_does_for_every_batch() -> None:
    """The next batch's input is written while this one is scored."""
    buffer: list[Tensor] = []

    def reused(images: Tensor) -> Tensor:
        inputs = to_input(images)
        if not buffer:
            buffer.append(torch.empty_like(inputs))
        return buffer[0].copy_(inputs)

    def reference(names: Sequence[str], inputs: Tensor) -> Tensor:
        return Net()(inputs).square()

    alone, again = run(Net(), reference=reference), run(Net(), reference=reference, to_input=reused)
    assert (again.logit_sqnr, again.changed) == (alone.logit_sqnr, alone.changed)
