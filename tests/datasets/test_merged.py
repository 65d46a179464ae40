"""Names in the merged set never collide, and its label files say no more than is known."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from colles.core.records import Box, Radiograph
from colles.datasets.merged import class_names, label_text, merged_names


def test_equal_names_get_names_of_their_own() -> None:
    images = [
        ("s/train/x.jpg", "s", "JPEG"),
        ("s/val/X.png", "s", "PNG"),
        ("s/y.rf.1.jpg", "s", None),
        ("s__y/a.jpg", "s__y", "PNG"),
        ("t/x.jpg", "t", "JPEG"),
    ]
    names = merged_names(images)
    assert names["s/y.rf.1.jpg"] == "s__y.rf.1.jpg" and names["t/x.jpg"] == "t__x.jpg"
    assert names["s/train/x.jpg"].startswith("s__x-") and names["s/val/X.png"].endswith(".png")


def test_names_without_an_images_ending_get_that_of_their_form() -> None:
    images = [("d/0a1b", "d", "DICOM"), ("c/a.b", "c", "JPEG"), ("c/a.b.png", "c", "PNG"), ("c/x.IMA", "c", "DICOM")]
    names = merged_names(images)
    assert (names["d/0a1b"], names["c/x.IMA"]) == ("d__0a1b.dcm", "c__x.IMA.dcm")
    assert names["c/a.b"].endswith(".jpeg") and Path(names["c/a.b"]).stem != Path(names["c/a.b.png"]).stem


part = st.text(alphabet="aA_.-é/", min_size=1, max_size=12)


@given(st.lists(st.tuples(part, st.sampled_from(["s", "s_", "s__a"])), unique=True, max_size=30), st.integers(1, 300))
def test_names_never_collide_whatever_the_paths(parts: list[tuple[str, str]], longest: int) -> None:
    images = [(f"{source}/{inner * longest}x.jpg", source, "JPEG") for inner, source in parts]
    names = merged_names(images)
    stems = {Path(name).stem.casefold() for name in names.values()}
    assert len(stems) == len({image_id for image_id, *_ in images})
    assert all("/" not in name and len(name.encode()) <= 200 for name in names.values())


def test_labels_say_no_more_than_is_known() -> None:
    def row(label: int | None, *boxes: Box) -> Radiograph:
        return Radiograph(image_id="a", source="s", path="/a", label=label, boxes=boxes, width=100, height=50)

    box, odd = Box(x1=10, y1=10, x2=30, y2=20, name="wrist"), Box(x1=0, y1=0, x2=5, y2=5, name="normal variant")
    names = class_names([row(1, box, odd)])
    assert names == ("fracture", "wrist")
    assert label_text(row(1, box), names) == "1 0.20000000 0.30000000 0.20000000 0.20000000\n"
    assert label_text(row(1, odd), names) == "0 0.02500000 0.05000000 0.05000000 0.10000000\n"
    assert label_text(row(0), names) == ""
    assert label_text(row(None), names) is None and label_text(row(1), names) is None
    line, speck = Box(x1=1, y1=1, x2=1, y2=9), Box(x1=0, y1=0, x2=0.5, y2=1)
    assert label_text(row(1, line), names) is None  # what was clipped to nothing marks nothing
    assert label_text(row(1, line, speck), names) == "0 0.00250000 0.01000000 0.00500000 0.02000000\n"
    assert class_names([row(0)]) == ("fracture",)


def test_a_line_break_in_a_name_broke_the_lists_of_a_merged_set() -> None:
    names = merged_names([("s/a\nb.png", "s", "PNG"), ("s/x/a_b.png", "s", "PNG"), ("s/t\tb.png", "s", "PNG")])
    assert not any(letter in name for name in names.values() for letter in "\n\t\r")
    assert len(set(names.values())) == 3 and names["s/t\tb.png"] == "s__t_b.png"
