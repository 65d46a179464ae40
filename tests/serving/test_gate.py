"""A gate that is damaged, hostile, or of another network is refused before it judges, by `bundle verify` as well."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import BundleError
from colles.serving.bundle import load_bundle
from colles.serving.gate import LEAST, Gate
from colles.serving.manifest import write_manifest
from colles.serving.predictor import Predictor

TOLD = {"limit": 0.3, "false_refusals": 0.01, "trained_on": 30, "chosen_on": 30, "sha256": "0" * 64}


def stored(references: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, references=references)
    return stream.getvalue()


@pytest.fixture
def gated(bundle_maker: Callable[..., Path], tmp_path: Path) -> Callable[[bytes], Path]:
    """Return a maker of a bundle that holds these bytes as its gate; its embedding has 64 numbers."""

    def make(gate: bytes) -> Path:
        folder = bundle_maker(tmp_path / "gated", gate=TOLD)
        (folder / "gate.npz").write_bytes(gate)
        write_manifest(folder)
        return folder

    return make


def verified(folder: Path) -> str:
    """Return why `colles bundle verify` refuses a bundle."""
    with pytest.raises(BundleError) as caught:
        CliRunner().invoke(app, ["bundle", "verify", str(folder)], catch_exceptions=False, standalone_mode=False)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_sound_gate_is_read_as_it_was_written(gated: Callable[[bytes], Path]) -> None:
    references = np.random.default_rng(0).random((30, 64)).astype(np.float16)
    bundle = load_bundle(gated(stored(references)))
    found = Gate.of(bundle)
    assert found is not None and found.references.dtype == np.float32
    np.testing.assert_array_equal(found.references, references)
    assert (found.limit, found.power) == (0.3, 1.0)  # of a bundle made before there was a power
    assert Predictor(bundle).session.embedding_width == 64


@pytest.mark.parametrize("power", [1.0, 0.5])
@pytest.mark.parametrize("count", [3, 12])
def test_the_distance_is_to_the_five_nearest_directions(power: float, count: int) -> None:
    rng = np.random.default_rng(0)
    references, shown = rng.normal(size=(count, 8)), rng.normal(size=(4, 8)) * [[1], [100], [0.01], [1]]

    def directions(values: np.ndarray) -> np.ndarray:
        raised = np.copysign(np.abs(values) ** power, values)
        return raised / np.linalg.norm(raised, axis=1, keepdims=True)

    gate = Gate(directions(references).astype(np.float32), 2.0, power)
    nearest = np.sort(directions(shown) @ directions(references).T)[:, -5:]
    np.testing.assert_allclose(gate.distance(shown.astype(np.float32)), 1 - nearest.mean(axis=1), atol=1e-5)


def test_the_limit_itself_passes_and_no_number_does_not() -> None:
    gate = Gate(np.array([[1, 0]], np.float32), 1.0)
    same, limit, beyond, none = gate.refuse(np.array([[2, 0], [0, 3], [-1, 0], [np.nan, 1]], np.float32))
    assert same is None and limit is None
    assert beyond == "unlike the radiographs it learned from: distance 2.000, the limit is 1.000"
    assert none is not None


def test_a_limit_lets_its_share_of_val_through_and_is_rounded_up() -> None:
    rng = np.random.default_rng(0)
    train, val = (rng.random((count, 8)).astype(np.float32) for count in (LEAST, 200))
    gate = Gate.fit(train, val, false_refusals=0.01)
    distances = np.sort(gate.distance(val))
    assert sum(reason is not None for reason in gate.refuse(val)) == 1  # one in a hundred would be two at most
    assert distances[-2] <= gate.limit < distances[-2] + 1e-4 and gate.limit == round(gate.limit, 4)
    with pytest.raises(ValueError, match="too few"):
        Gate.fit(train[1:], val, false_refusals=0.01)


def test_a_slice_of_a_ct_was_judged_whatever_its_header_said(gated: Callable[[bytes], Path]) -> None:
    pytest.importorskip("pydicom", reason="DICOM comes with colles[dicom]")
    from drawn_dicom import encoded, radiograph

    bundle = load_bundle(gated(stored(np.ones((30, 64), np.float16))))
    data = encoded(radiograph(Modality="CT"))
    told = Predictor(bundle).predict(data)
    assert (told.status, told.reason) == ("refused", "modality CT is no radiograph")
    assert Predictor(bundle, gate=False).predict(data).status == "ok"


def test_what_the_gate_refuses_has_neither_score_nor_map(gated: Callable[[bytes], Path]) -> None:
    bundle = load_bundle(gated(stored(np.ones((30, 64), np.float16))))  # of bright pictures
    ramp = np.linspace(0, 60, 96 * 64).reshape(96, 64).astype(np.uint8)
    shown = {"like": ramp + 190, "unlike": ramp, "blank": np.full((96, 64), 190, np.uint8), "small": ramp[:40] + 190}
    for name, words in {"like": None, "unlike": "unlike the", "blank": "blank", "small": "too small"}.items():
        told = Predictor(bundle).predict(shown[name], heat=True, boxes=True)
        assert told.status == ("ok" if words is None else "refused")
        assert words is None or (told.reason or "").startswith(words)
        assert all(
            (value is None) == (words is not None) for value in (told.score, told.decision, told.heat, told.boxes)
        )
        assert Predictor(bundle, gate=False).predict(shown[name]).status == "ok"


def test_a_batch_gives_each_image_its_own_refusal_and_its_own_map(gated: Callable[[bytes], Path]) -> None:
    predictor = Predictor(load_bundle(gated(stored(np.ones((30, 64), np.float16)))), threads=1)
    ramp = np.linspace(0, 60, 96 * 64).reshape(96, 64).astype(np.uint8)
    shown = [ramp + 190, ramp, np.full((96, 64), 190, np.uint8), ramp[::-1] + 190, np.zeros((2, 3, 4, 5)), ramp.T + 190]
    together = predictor.predict_batch(shown, batch=len(shown), heat=True, boxes=True)
    assert [told.status for told in together] == ["ok", "refused", "refused", "ok", "unreadable", "ok"]
    for told, image in zip(together, shown, strict=True):
        alone = predictor.predict(image, heat=True, boxes=True)
        assert told.row() | {"seconds": 0} == alone.row() | {"seconds": 0} and told.boxes == alone.boxes
        assert (told.heat is None) == (alone.heat is None) and np.array_equal(told.heat, alone.heat)  # type: ignore[arg-type]


def test_a_small_gate_that_unpacks_to_gigabytes_is_refused_unread(gated: Callable[[bytes], Path]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("references.npy", "w") as file:
        shape = (15_000, 1280)
        np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
        for _ in range(15):
            file.write(bytes(2_560_000))
    bundle = load_bundle(gated(stream.getvalue()))
    tracemalloc.start()
    with pytest.raises(BundleError, match="1000 rows"):
        Gate.of(bundle)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize(
    "gate",
    [
        b"no zip file",
        stored(np.ones((30, 64), np.float32)),
        stored(np.ones((30, 64, 1), np.float16)),
        stored(np.ones((0, 64), np.float16)),
        stored(np.asfortranarray(np.ones((30, 64), np.float16))),
    ],
)
def test_what_is_no_gate_is_refused(gated: Callable[[bytes], Path], gate: bytes) -> None:
    assert "gate.npz: is no gate" in verified(gated(gate))


def test_a_gate_torn_inside_its_compressed_bytes_is_refused(gated: Callable[[bytes], Path]) -> None:
    torn = bytearray(stored(np.random.default_rng(0).random((200, 64)).astype(np.float16)))
    torn[400:900] = b"\xff" * 500
    assert "gate.npz: is no gate" in verified(gated(bytes(torn)))


def test_a_gate_of_another_width_than_the_embedding_is_refused(gated: Callable[[bytes], Path]) -> None:
    folder = gated(stored(np.ones((30, 7), np.float16)))
    assert "embedding of 64 numbers, where the gate compares 7" in verified(folder)
    with pytest.raises(BundleError, match="compares 7"):
        load_bundle(folder).predict(np.zeros((64, 64), np.uint8))


def test_a_network_without_an_embedding_does_not_silently_go_without_its_gate(gated: Callable[[bytes], Path]) -> None:
    onnx = pytest.importorskip("onnx")
    folder = gated(stored(np.ones((30, 64), np.float16)))
    model = onnx.load(folder / "model.onnx")
    model.graph.output.remove(next(each for each in model.graph.output if each.name == "embedding"))
    onnx.save(model, folder / "model.onnx")
    write_manifest(folder)
    assert "gives no embedding" in verified(folder)
    assert Predictor(load_bundle(folder), gate=False).predict(np.zeros((64, 64), np.uint8)).status == "ok"
