"""Descriptors as a user writes them, and those that come with the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from qat.data import built_in_digest, digest, read_descriptor
from qat.data.descriptor import DataClass, Streets
from qat.data.streets import ids
from qat.errors import UserError

SIX_LINES = """\
name: potholes
images: images/{split}
labels: masks/{split}
classes: [road, pothole]
"""
BUILT_IN = ("camvid", "cityscapes", "streets")


def write(text: str, name: str = "mine.yaml") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def error_of(text: str) -> str:
    with pytest.raises(UserError) as caught:
        read_descriptor(write(text))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_few_lines_are_enough(tmp_path: Path) -> None:
    found = read_descriptor(write(SIX_LINES))
    assert found.name == "potholes"
    assert [(one.name, one.ids, one.weight) for one in found.classes] == [("road", (0,), None), ("pothole", (1,), None)]
    assert len({one.colour for one in found.classes}) == 2
    assert (found.train, found.val, found.root, found.root_variable) == ("train", "val", str(tmp_path), "")
    assert found.labels == (("labelIds", "masks/{split}"),)
    assert found.mean is found.std is found.streets is None


def test_every_key_is_read() -> None:
    found = read_descriptor(
        write("""
name: night-1
root: data/night
root_variable: NIGHT_ROOT
images: rgb/{split}/{frame}_rgb.png
labels:
  labelIds: ids/{split}/{frame}_id.png
  trainIds: ids/{split}/{frame}_train.png
splits: {train: "2024", val: lists/val.txt}
unlabelled: [blind]
classes:
  - {name: road, id: [7, 8], colour: [1, 2, 3], weight: 2}
  - {name: "no", id: 255, colour: [4, 5, 6], weight: 0.5}
void: [0, 1]
mean: [0.5, 0.5, 0]
std: [1, 0.25, 0.5]
streets: {train: 3, val: 0, seed: 9}
""")
    )
    assert found.classes == (DataClass("road", (7, 8), (1, 2, 3), 2.0), DataClass("no", (255,), (4, 5, 6), 0.5))
    assert (found.root, found.root_variable, found.train, found.val) == (
        "data/night",
        "NIGHT_ROOT",
        "2024",
        "lists/val.txt",
    )
    assert (found.mean, found.std, found.streets) == ((0.5, 0.5, 0.0), (1.0, 0.25, 0.5), Streets(3, 0, 9))
    assert (found.void, found.unlabelled, found.encodings) == ((0, 1), ("blind",), ("labelIds", "trainIds"))
    assert found.class_set.weights == (2.0, 0.5)


def test_like_another_but_for_its_own_keys_and_its_place() -> None:
    found, cityscapes = (
        read_descriptor(write("name: mine\nlike: cityscapes\nvoid: []\n")),
        read_descriptor("cityscapes"),
    )
    assert (found.classes, found.images, found.unlabelled) == (cityscapes.classes, cityscapes.images, ("test",))
    assert found.void == ()
    assert (found.root_variable, cityscapes.root_variable) == ("", "CITYSCAPES_DATASET")
    assert found.root != cityscapes.root


def test_like_means_the_neighbour_else_the_project_s_own() -> None:
    write("name: base\nclasses: [far]\nimages: i/{split}\n", "datasets/base.yaml")
    mine = write("name: mine\nlike: base\n", "near/mine.yaml")
    assert read_descriptor(mine).classes[0].name == "far"
    write("name: base\nclasses: [near]\nimages: i/{split}\n", "near/base.yaml")
    assert read_descriptor(mine).classes[0].name == "near"
    write("name: cityscapes\nlike: cityscapes\nvoid: []\n", "datasets/cityscapes.yaml")
    assert read_descriptor("cityscapes").void == ()
    assert len(read_descriptor("cityscapes").classes) == 19
    assert digest(read_descriptor("streets")) == built_in_digest("streets")
    assert len(read_descriptor("streets").void) == 15


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("classes: [a]\nimages: i/{split}", "mine.yaml has no name; expected a descriptor such as {name: potholes"),
        ("name: a\nimages: i/{split}", "mine.yaml has no classes; expected a descriptor"),
        ("name: a\nclasses: [b]", "mine.yaml has neither images nor splits; expected images: images/{split}"),
        (SIX_LINES + "clases: [a]", "unknown key clases in mine.yaml; did you mean classes?"),
        (SIX_LINES + "1: 2", "unknown key 1 in mine.yaml"),
        (SIX_LINES.replace("potholes", "../potholes"), "name in mine.yaml is ../potholes; expected letters, digits"),
        (SIX_LINES.replace("potholes", "2024"), "name in mine.yaml is 2024; expected letters, digits"),
        (SIX_LINES + "root: [a]", 'root in mine.yaml is ["a"]; expected a text'),
        (SIX_LINES + "root_variable: MY-ROOT", "root_variable in mine.yaml is MY-ROOT; expected a variable's name"),
        (SIX_LINES.replace("images/{split}", "images"), "images in mine.yaml is images; expected {split} in it"),
        (SIX_LINES.replace("images/{split}", "/images/{split}"), "expected a path below the root"),
        (SIX_LINES.replace("images/{split}", "../{split}"), "expected a path below the root"),
        (SIX_LINES.replace("images/{split}", "'{split}/{name}.png'"), "expected a path below the root"),
        (SIX_LINES.replace("images/{split}", "{split}"), "in quotes where it begins with {"),
        (SIX_LINES.replace("images/{split}", "'{split}/a_{frame}.png'"), "expected {frame} after the last /"),
        (SIX_LINES.replace("images/{split}", "'{split}/{frame}/a.png'"), "expected {frame} after the last /"),
        (SIX_LINES.replace("images/{split}", "'{frame}/{split}.png'"), "images in mine.yaml is"),
        (SIX_LINES.replace("masks/{split}", "{ids: a}"), "labels in mine.yaml is"),
        (SIX_LINES + "splits: [a, b]", "expected the splits or list files of train and val"),
        (SIX_LINES + "splits: {test: a}", "expected the splits or list files of train and val"),
        (SIX_LINES + "splits: {train: 1}", "splits in mine.yaml is"),
        (SIX_LINES + "unlabelled: test", "unlabelled in mine.yaml is test; expected a list"),
        (SIX_LINES + "void: [256]", "void in mine.yaml is [256]; expected a label file's value from 0 to 255"),
        (SIX_LINES + "void: 1", "classes in mine.yaml: id 1 is there twice"),
        (
            SIX_LINES + "mean: [123.675, 116.28, 103.53]",
            "mean in mine.yaml is [123.675, 116.28, 103.53]; expected a number from 0 to 1",
        ),
        (SIX_LINES + "std: [0.2, 0, 0.2]", "std in mine.yaml is [0.2, 0, 0.2]; expected a number above 0"),
        (SIX_LINES + "streets: {train: 3}", "streets in mine.yaml is"),
        (SIX_LINES + "streets: {train: 3, val: -1, seed: 0}", "expected whole numbers from 0"),
        (SIX_LINES + "like: camvd", "no data set camvd"),
        (SIX_LINES + "like: ./mine.yaml", "is like mine.yaml, which is like it"),
        ("name: [", "mine.yaml is not valid YAML"),
        ("- a", "mine.yaml holds no keys; expected a YAML mapping such as {name: potholes"),
    ],
)
def test_a_wrong_key_names_itself_and_what_is_right(text: str, said: str) -> None:
    assert said in error_of(text)


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ("road", "expected a list of classes"),
        ("[]", "expected a list of classes"),
        (str([f"c{i}" for i in range(256)]), "expected at most 255 classes"),
        ("[no, yes]", "expected in class 0 a text (in quotes, where it looks like a number, yes or no)"),
        ("[road, {id: 1}]", "expected a name in class 1"),
        ("[{name: a, color: [1, 2, 3]}]", "expected no key color in class 0; did you mean colour?"),
        ("[{name: a, id: 256}]", "expected in class 0 a label file's value from 0 to 255"),
        ("[{name: a, id: true}]", "expected in class 0 a label file's value from 0 to 255"),
        ("[{name: a, id: []}]", "expected in class 0 a label file's value from 0 to 255"),
        ("[{name: a, colour: [1, 2]}]", "expected in class 0 colours of red, green and blue from 0 to 255"),
        ("[{name: a, colour: [1, 2, 256]}]", "expected in class 0 colours of red, green and blue from 0 to 255"),
        ("[{name: a, weight: 0}]", "expected in class 0 weights above 0"),
        ("[a, b, a]", "classes in mine.yaml: a is there twice; expected each name once"),
        ("[{name: a, id: 3}, {name: b, id: 3}]", "classes in mine.yaml: id 3 is there twice; expected it once"),
        ("[{name: a, id: [3, 3]}]", "classes in mine.yaml: id 3 is there twice"),
        ("[a, {name: b, id: 0}]", "classes in mine.yaml: id 0 is there twice"),
        ("[{name: a, weight: 1}, b]", "classes in mine.yaml: some have a weight and some not; expected all or none"),
    ],
)
def test_wrong_classes_are_named(classes: str, said: str) -> None:
    assert said in error_of(f"name: a\nimages: i/{{split}}\nclasses: {classes}\n")


def test_a_descriptor_that_isn_t_there() -> None:
    with pytest.raises(UserError, match=r"no data set camvd \(tried .*\); did you mean camvid\?"):
        read_descriptor("camvd")


def test_the_digest_is_of_what_is_said() -> None:
    first = digest(read_descriptor(write(SIX_LINES)))
    same = 'classes: ["road", {id: 1, name: pothole}]\nsplits: {val: val}\n' + SIX_LINES.replace(
        "classes", "void: []\n#"
    )
    moved = SIX_LINES + "root: /data\nroot_variable: POTHOLES\n"
    assert digest(read_descriptor(write(same, "other/place.yaml"))) == first
    assert digest(read_descriptor(write(moved))) == first
    for changed in ("void: 7", "mean: [0.5, 0.5, 0.5]", "splits: {train: day}", "unlabelled: [test]"):
        assert digest(read_descriptor(write(SIX_LINES + changed))) != first
    assert digest(read_descriptor(write(SIX_LINES.replace("pothole]", "{name: pothole, id: 2}]")))) != first


def test_the_digest_of_a_built_in_one() -> None:
    own = digest(read_descriptor("camvid"))
    assert built_in_digest("camvid") == own
    assert built_in_digest("potholes") is None
    write(SIX_LINES.replace("potholes", "camvid"), "datasets/camvid.yaml")
    assert digest(read_descriptor("camvid")) != own == built_in_digest("camvid")


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_descriptor_of_the_project(name: str) -> None:
    found = read_descriptor(name)
    assert found.name == name
    assert found.root == f"data/{name}"
    assert len({one.colour for one in found.classes}) == len(found.classes)


def test_cityscapes_is_what_its_own_tools_say() -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    found = read_descriptor("cityscapes")
    evaluated = sorted((one for one in labels if not one.ignoreInEval), key=lambda one: one.trainId)
    assert [(one.name, one.ids, one.colour) for one in found.classes] == [
        (one.name, (one.id,), one.color) for one in evaluated
    ]
    assert set(found.void) == {one.id for one in labels if one.ignoreInEval and one.id >= 0}


def test_cityscapes_weights_are_around_one() -> None:
    weights = read_descriptor("cityscapes").class_set.weights
    assert weights is not None
    assert sum(weights) / 19 == pytest.approx(1, abs=0.01)


def test_the_streets_generator_paints_cityscapes_ids() -> None:
    known = {one.name.upper().split()[-1]: one.ids[0] for one in read_descriptor("streets").classes}
    painted = {name: value for name, value in vars(ids).items() if name.isupper() and name not in ("EGO", "STATIC")}
    assert painted == known
    assert {ids.EGO, ids.STATIC} <= set(read_descriptor("streets").void)


def test_the_readme_s_example_is_a_descriptor() -> None:
    text = (Path(__file__).resolve().parents[2] / "datasets" / "README.md").read_text()
    example = text.split("```yaml\n")[1].split("```")[0]
    found = read_descriptor(write(example))
    assert example.count("\n") == 6
    assert [one.ids for one in found.classes] == [(0,), (255,)]
