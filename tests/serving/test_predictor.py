from __future__ import annotations

import itertools
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colles.core.errors import UsageError
from colles.core.recipe import PreprocessRecipe
from colles.evaluation.calibration import Calibrator
from colles.serving.bundle import Bundle, load_bundle
from colles.serving.decode import Rejected, Sample, decode
from colles.serving.inputs import find_images
from colles.serving.manifest import write_manifest
from colles.serving.metadata import CalibrationMetadata
from colles.serving.output import save_predictions
from colles.serving.pipeline import BatchSizes
from colles.serving.predictor import Predictor
from pictures import picture_bytes


@pytest.fixture(scope="module")
def bundle(drawn_bundle: Path) -> Bundle:
    return load_bundle(drawn_bundle)


def test_scores_are_those_counted_by_hand(bundle: Bundle, grey_files: list[Path]) -> None:
    answers = list(Predictor(bundle).predict_paths(grey_files, batch=2))
    assert [answer.path for answer in answers] == [str(path) for path in grey_files]
    assert [answer.status for answer in answers] == ["ok", "ok", "unreadable", "ok", "ok", "ok"]
    for answer, level, height in zip(
        [*answers[:2], *answers[3:]], (0, 100, 128, 160, 255), (50, 60, 70, 80, 90), strict=True
    ):
        width = 80
        share = (round(64 * height / width) if height <= width else 64) / 64
        share *= 1 if height <= width else round(64 * width / height) / 64
        mean = share * level / 255
        assert answer.score == pytest.approx(1 / (1 + np.exp(-2 * (mean - 0.5) / 0.25)), abs=1e-5)
        assert answer.probability == answer.score
    assert [answer.decision for answer in answers] == [
        "no_fracture",
        "no_fracture",
        None,
        "uncertain",
        "fracture",
        "fracture",
    ]


@pytest.mark.parametrize("batch", [1, 3, 8, 100])
def test_the_batch_size_changes_nothing(bundle: Bundle, grey_files: list[Path], batch: int) -> None:
    one = [Predictor(bundle).predict(path) for path in grey_files]
    many = list(Predictor(bundle, threads=1).predict_paths(grey_files, batch=batch))
    assert [answer.path for answer in many] == [answer.path for answer in one]
    for a, b in zip(one, many, strict=True):
        assert a.status == b.status and a.reason == b.reason
        assert a.score == pytest.approx(b.score, abs=1e-6) if a.score is not None else b.score is None


@pytest.mark.parametrize("wish", [{"precision": "FP32"}, {"precision": "float32"}, {"threads": 0}, {"threads": -1}])
def test_a_precision_or_threads_misspelt_in_python_gave_the_int8_network_or_a_traceback(
    bundle: Bundle, wish: dict[str, Any]
) -> None:
    ((name, value),) = wish.items()
    with pytest.raises(UsageError, match=f"{name}: {value!r} is none"):
        Predictor(bundle, **wish)


def test_one_image_in_place_of_several_was_taken_apart(bundle: Bundle, grey_files: list[Path]) -> None:
    file, grey = grey_files[0], np.asarray(Image.open(grey_files[0]).convert("L"))
    for one in (str(file), file, file.read_bytes(), grey, np.stack([grey] * 3, axis=-1), Image.open(file)):
        with pytest.raises(UsageError, match=r"one image .* Put it into a list"):
            bundle.predict_batch(one)  # type: ignore[arg-type]
    stack = np.stack([grey, grey])
    assert [answer.status for answer in bundle.predict_batch(stack)] == ["ok", "ok"]


def test_a_file_that_is_no_image_or_is_not_there_is_a_row_with_its_reason(bundle: Bundle, tmp_path: Path) -> None:
    empty, cut = tmp_path / "empty.png", tmp_path / "cut.jpg"
    empty.touch()
    noise = np.random.default_rng(0).integers(0, 255, (90, 90), np.uint8)
    data = picture_bytes(Image.fromarray(noise), "JPEG")
    cut.write_bytes(data[: len(data) // 2])
    answers = list(Predictor(bundle).predict_paths([empty, cut, tmp_path / "gone.png", tmp_path]))
    assert [answer.status for answer in answers] == ["unreadable"] * 4
    reasons = [str(answer.reason).split(":")[0] for answer in answers]
    assert reasons == ["empty", "truncated", "unreadable", "unreadable"]
    assert all(answer.score is None and answer.decision is None for answer in answers)


def test_path_bytes_array_and_pillow_image_give_one_answer(bundle: Bundle, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (70, 50), np.uint8)
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    inputs = [path, str(path), path.read_bytes(), pixels, np.stack([pixels] * 3, -1), Image.open(path)]
    scores = [answer.score for answer in Predictor(bundle).predict_batch(inputs)]
    assert scores == [bundle.predict(each).score for each in inputs]
    assert len(set(scores)) == 1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "HSV"])
def test_a_pillow_image_takes_the_path_of_its_file(bundle: Bundle, tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(np.random.default_rng(2).integers(0, 255, (40, 60), np.uint8))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 200)
    else:
        image = grey.convert("RGB").convert(mode) if mode in ("P", "CMYK", "HSV") else grey.convert(mode)
    path = tmp_path / "image.tif"
    (image.convert("RGB") if mode == "HSV" else image).save(path)
    assert bundle.predict(image).score == pytest.approx(bundle.predict(path).score, abs=1e-6)


def test_exif_rotation_of_a_pillow_image_counts(bundle: Bundle, tmp_path: Path) -> None:
    pixels = np.zeros((40, 80), np.uint8)
    pixels[:, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    with Image.open(tmp_path / "turned.jpg") as image:
        assert bundle.predict(image).score == bundle.predict(tmp_path / "turned.jpg").score


@pytest.mark.parametrize("value", [np.zeros((2, 3, 4, 5)), np.zeros((9, 9, 2), np.uint8)])
def test_an_array_that_is_no_picture_is_unreadable(bundle: Bundle, value: object) -> None:
    answer = bundle.predict(value)  # type: ignore[arg-type]
    assert answer.status == "unreadable" and "shape" in str(answer.reason)


@pytest.mark.parametrize("value", [None, 7, np.zeros((0, 3)), np.array(["a"])])
def test_a_value_that_is_no_image_at_all_is_bad_usage(bundle: Bundle, value: object) -> None:
    with pytest.raises(UsageError, match="numpy array"):
        bundle.predict(value)  # type: ignore[arg-type]


def test_calibration_moves_the_probability_and_leaves_score_and_decision(
    tmp_path: Path, grey_files: list[Path], bundle_maker: Callable[..., Path], bundle: Bundle
) -> None:
    told = {"method": "platt", "slope": 0.5, "intercept": -1.0, "fitted_on": "val"}
    calibrated = load_bundle(bundle_maker(tmp_path / "calibrated", calibration=told))
    plain, moved = bundle.predict(grey_files[3]), calibrated.predict(grey_files[3])
    assert (moved.score, moved.decision) == (plain.score, plain.decision)
    assert moved.probability == pytest.approx(1 / (1 + np.exp(1 - 0.5 * np.log(plain.score / (1 - plain.score)))))


def test_the_first_of_several_pictures_was_judged_without_a_word(bundle: Bundle, tmp_path: Path) -> None:
    levels = [Image.fromarray(np.full((40, 60), level, np.uint8)) for level in (90, 120, 200)]
    levels[0].save(tmp_path / "three.tif", save_all=True, append_images=levels[1:])
    levels[0].save(tmp_path / "one.tif")
    three, one = Predictor(bundle).predict_batch([tmp_path / "three.tif", tmp_path / "one.tif"])
    assert three.reason == "only the first of its 3 pictures was judged"
    assert (three.status, three.score, one.reason) == ("ok", one.score, None)


def test_a_network_that_gives_no_number_is_a_row_with_its_reason(
    bundle_copy: Path, grey_files: list[Path], tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(bundle_copy / "model.onnx")
    (two,) = (each for each in model.graph.initializer if each.name == "two")
    two.CopyFrom(onnx.numpy_helper.from_array(np.array(np.nan, np.float32), "two"))
    onnx.save(model, bundle_copy / "model.onnx")
    write_manifest(bundle_copy)
    answers = load_bundle(bundle_copy).predict_batch(grey_files[:2], heat=True, boxes=True)
    assert {(each.status, each.reason) for each in answers} == {("unreadable", "the network gives no number")}
    assert {(each.score, each.probability, each.decision) for each in answers} == {(None, None, None)}
    save_predictions(answers, tmp_path / "t.jsonl")


def test_calibration_is_computed_as_it_was_fitted() -> None:
    scores = np.linspace(0, 1, 101)
    for method in ("platt", "none"):
        values = {"method": method, "slope": 0.5, "intercept": -1.0, "fitted_on": "val"}
        wanted = Calibrator.model_validate(values).transform(scores)
        assert CalibrationMetadata.model_validate(values).transform(scores) == pytest.approx(wanted, abs=1e-9)


def test_the_heat_map_has_the_images_shape_and_peaks_where_it_is_bright(bundle: Bundle) -> None:
    image = np.zeros((100, 300), np.uint8)
    image[10:40, 220:260] = 255
    heat = bundle.predict(image, heat=True).heat
    assert heat is not None and heat.shape == image.shape and heat.min() >= 0 and heat.max() <= 1
    y, x = np.unravel_index(int(heat.argmax()), heat.shape)
    assert 10 <= y < 40 and 220 <= x < 260
    assert bundle.predict(image).heat is None


def test_overlays_have_the_images_size_and_names_that_do_not_clash(bundle: Bundle, tmp_path: Path) -> None:
    paths = []
    for folder in ("a", "b"):
        path = tmp_path / folder / "same.png"
        path.parent.mkdir()
        Image.fromarray(np.full((30, 45), 90, np.uint8)).save(path)
        paths.append(path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"x")
    answers = list(Predictor(bundle).predict_paths([*paths, broken], overlays=tmp_path / "maps"))
    assert [answer.heat for answer in answers] == [None] * 3
    pictures = sorted((tmp_path / "maps").iterdir())
    assert len(pictures) == 2
    with Image.open(pictures[0]) as picture:
        assert picture.size == (45, 30)


def test_overlays_without_a_map_are_refused_before_any_work(
    tmp_path: Path, grey_files: list[Path], bundle_maker: Callable[..., Path]
) -> None:
    plain = load_bundle(bundle_maker(tmp_path / "plain", cam=False))
    assert plain.predict(grey_files[0], heat=True).heat is None
    with pytest.raises(UsageError, match="no location map"):
        Predictor(plain).predict_paths(grey_files, overlays=tmp_path / "maps")


def test_threads_may_share_a_bundle(drawn_bundle: Path, grey_files: list[Path]) -> None:
    bundle = load_bundle(drawn_bundle)
    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(lambda path: bundle.predict(path).score, grey_files * 5))
    assert scores == [bundle.predict(path).score for path in grey_files] * 5


def test_an_image_in_a_zip_file_is_answered_as_outside_of_it(
    bundle: Bundle, grey_files: list[Path], tmp_path: Path
) -> None:
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path in grey_files:
            opened.write(path, path.name)
        opened.writestr("inner.zip", b"PK")
        opened.writestr("../../etc/level.png", b"x")
    answers = {Path(str(answer.path)).name: answer for answer in bundle.predictor.stream(find_images([archive]))}
    for path in grey_files:
        alone = bundle.predict(path)
        assert (answers[path.name].status, answers[path.name].score) == (alone.status, alone.score)
    assert answers["inner.zip"].status == answers["level.png"].status == "refused"
    assert not (tmp_path.parent / "etc").exists()


def test_damaged_encrypted_and_oversized_members_are_rows(
    bundle: Bundle, grey_files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colles.serving import decode

    monkeypatch.setattr(decode, "MAX_BYTES", 100_000)
    archive = tmp_path / "bad.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("crc.png", grey_files[0].read_bytes())
        opened.writestr("locked.png", b"y" * 50)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("bomb.png", b"\0" * 3_000_000)
    data = bytearray(archive.read_bytes())
    data[data.index(b"IHDR") + 6] ^= 1
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"locked.png"))
    data[entry + 8] |= 1
    archive.write_bytes(data)
    reasons = {Path(str(a.path)).name: str(a.reason) for a in bundle.predictor.stream(find_images([archive]))}
    assert "cannot be unpacked" in reasons["crc.png"] and "encrypted" in reasons["locked.png"]
    assert reasons["bomb.png"] == "too_large: 3000000 bytes are above the limit of 100000"


def test_auto_finds_the_fastest_size() -> None:
    sizes = BatchSizes(side=64)
    for _ in range(40):
        size = sizes.next()
        sizes.record(size, 0.01 * abs(size - 4) + 0.001 * size)
    assert {sizes.next() for _ in range(5)} == {4}
    assert BatchSizes(7).next() == 7 and max(BatchSizes(side=1024)._sizes) == 2


def test_an_explained_answer_is_the_plain_one_with_its_picture(bundle: Bundle, grey_files: list[Path]) -> None:
    predictor = Predictor(bundle, threads=2)
    for path in grey_files:
        plain = predictor.predict(path, boxes=True)
        answer, sample = predictor.explain(path, longest=40)
        assert (answer.row() | {"seconds": 0}) == (plain.row() | {"seconds": 0}) and answer.boxes == plain.boxes
        assert isinstance(sample, Rejected) == (answer.status == "unreadable") == (answer.heat is None)
        if isinstance(sample, Sample) and answer.heat is not None and sample.grey is not None:
            assert max(answer.heat.shape) == 40 < max(sample.grey.shape)


def test_candidate_boxes_hold_what_is_bright(bundle: Bundle) -> None:
    image = np.zeros((100, 300), np.uint8)
    image[20:40, 220:260] = 255
    boxes = bundle.predict(image, boxes=True).boxes
    assert boxes is not None and len(boxes) == 1
    box = boxes[0].box
    assert box.x1 < 230 and box.x2 > 250 and 0.4 < boxes[0].score <= 1
    assert 0 <= box.y1 < 40 and box.x2 - box.x1 <= 120 and 210 < boxes[0].x < 270
    assert bundle.predict(np.zeros((100, 300), np.uint8), boxes=True).boxes == ()
    assert bundle.predict(image).boxes is None


def test_endless_images_are_answered_while_they_come(bundle: Bundle) -> None:
    endless = (np.full((60, 60), number % 256, np.uint8) for number in itertools.count())
    answers = bundle.predictor.stream(endless, batch=3)
    scores = [next(answers).score for _ in range(20)]
    answers.close()
    assert scores == sorted(scores)  # type: ignore[type-var]


def test_stopping_early_decodes_no_further_than_the_queue(
    bundle: Bundle, grey_files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from colles.serving import predictor

    seen, real = [], predictor.decode
    monkeypatch.setattr(predictor, "decode", lambda image, *a, **k: seen.append(image) or real(image, *a, **k))
    answers = Predictor(bundle, threads=2).predict_paths(grey_files * 50, batch=2)
    next(iter(answers))
    answers.close()  # type: ignore[attr-defined]
    assert len([image for image in seen if isinstance(image, Path)]) <= 8  # threads of the test above may still end


@pytest.mark.slow
def test_answers_need_no_torch_and_no_heavy_library(
    tmp_path: Path, grey_files: list[Path], bundle_maker: Callable[..., Path]
) -> None:
    told = {"method": "platt", "slope": 0.5, "intercept": -1.0}
    folder = bundle_maker(tmp_path / "calibrated", calibration=told)
    code = (
        "import sys; from colles.serving.bundle import load_bundle; "
        f"print(load_bundle({str(folder)!r}).predict({str(grey_files[0])!r}, heat=True).status); "
        "heavy = {'torch', 'timm', 'sklearn', 'scipy', 'matplotlib', 'pandas'} & sys.modules.keys(); "
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "ok"), done.stderr


@pytest.mark.slow
def test_onnx_runtime_told_its_maker_of_every_start(drawn_bundle: Path, tmp_path: Path) -> None:
    code = f"import colles; colles.load_bundle({str(drawn_bundle)!r}).predictor.warm_up()"
    kept = {
        name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    }
    subprocess.run([sys.executable, "-c", code], env={**kept, "HOME": str(tmp_path)}, check=True)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_pillow_image_lies_as_its_file_does(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    picture = Image.fromarray(np.linspace(0, 255, 40 * 60).reshape(40, 60).astype(np.uint8))
    picture.save(tmp_path / "a.png", exif=exif)
    recipe = PreprocessRecipe(size=64)
    shown, opened = (decode(each, recipe) for each in (tmp_path / "a.png", Image.open(tmp_path / "a.png")))
    assert isinstance(shown, Sample) and isinstance(opened, Sample)
    np.testing.assert_array_equal(opened.canvas, shown.canvas)


def test_gaps_in_an_array_are_black() -> None:
    values = np.linspace(5, 6, 40 * 60, dtype=np.float32).reshape(40, 60)
    values[0] = values[1:].min()
    holed = values.copy()
    holed[0] = np.nan
    samples = [decode(each, PreprocessRecipe(size=64)) for each in (values, holed)]
    assert all(isinstance(each, Sample) for each in samples)
    np.testing.assert_array_equal(samples[0].canvas, samples[1].canvas)
