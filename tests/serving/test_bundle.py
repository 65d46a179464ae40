from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.cache import cache_folder
from colles.core.errors import BundleError, MissingInputError
from colles.core.files import sha256_file
from colles.core.records import OperatingPoint
from colles.serving.bundle import Bundle, license_text, load_bundle
from colles.serving.manifest import MANIFEST, FileEntry, write_manifest


def test_a_written_bundle_loads_with_every_file_listed(drawn_bundle: Path) -> None:
    bundle = load_bundle(drawn_bundle)
    assert bundle.name == "drawn@0123456789ab"
    assert set(bundle.manifest.files) == {"model.onnx", "recipe.yaml", "metadata.json", "MODEL_CARD.md", "LICENSE"}
    assert bundle.manifest.files["model.onnx"].bytes == (drawn_bundle / "model.onnx").stat().st_size


def test_the_licence_is_the_whole_apache_text() -> None:
    text = license_text()
    assert "Apache License" in text and "Version 2.0, January 2004" in text and len(text) > 9000


@pytest.mark.parametrize("name", ["model.onnx", "metadata.json", "recipe.yaml", "LICENSE", "MODEL_CARD.md"])
def test_one_altered_byte_is_refused_and_named(bundle_copy: Path, name: str) -> None:
    data = bytearray((bundle_copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle_copy / name).write_bytes(data)
    with pytest.raises(BundleError, match="sha256") as caught:
        load_bundle(bundle_copy)
    assert caught.value.path == str(bundle_copy / name)


def test_a_truncated_file_is_refused_with_both_sizes(bundle_copy: Path) -> None:
    file = bundle_copy / "model.onnx"
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(BundleError, match=rf"{size - 7} bytes where the manifest says {size}"):
        load_bundle(bundle_copy)


def test_a_missing_file_is_refused_and_named(bundle_copy: Path) -> None:
    (bundle_copy / "LICENSE").unlink()
    with pytest.raises(BundleError, match=r"LICENSE: is listed .* missing"):
        load_bundle(bundle_copy)


def leave_out(folder: Path, name: str) -> None:
    """Take a file away as the wheel does: the manifest says so."""
    data = (folder / name).read_bytes()
    (folder / name).unlink()
    write_manifest(folder, {name: FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))})


def test_a_copy_without_weights_predicts_where_its_manifest_says_so(bundle_copy: Path, grey_files: list[Path]) -> None:
    (bundle_copy / "model.safetensors").write_bytes(b"weights")
    write_manifest(bundle_copy)
    full = load_bundle(bundle_copy)
    assert json.loads((bundle_copy / MANIFEST).read_text())["schema_version"] == 1
    leave_out(bundle_copy, "model.safetensors")
    slim = load_bundle(bundle_copy)
    assert slim.manifest.left_out == {"model.safetensors": full.manifest.files["model.safetensors"]}
    assert slim.predict(grey_files[0]).score == full.predict(grey_files[0]).score
    (bundle_copy / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(BundleError, match="not in the manifest"):
        load_bundle(bundle_copy)


@pytest.mark.parametrize("name", ["model.onnx", "metadata.json", "recipe.yaml"])
def test_nothing_else_may_be_left_out(bundle_copy: Path, name: str) -> None:
    leave_out(bundle_copy, name)
    with pytest.raises(BundleError, match=rf"(lists no|leaves out) {name}"):
        load_bundle(bundle_copy)


@pytest.mark.parametrize("name", ["custom_ops.so", "load.py", "weights/model.pkl", "notes.txt"])
def test_a_file_that_nobody_vouches_for_is_refused(bundle_copy: Path, name: str) -> None:
    (bundle_copy / name).parent.mkdir(exist_ok=True)
    (bundle_copy / name).write_bytes(b"x")
    with pytest.raises(BundleError, match="not in the manifest") as caught:
        load_bundle(bundle_copy)
    assert str(caught.value.path).endswith(name)


def test_what_a_file_manager_drops_is_no_reason_to_refuse(bundle_copy: Path) -> None:
    (bundle_copy / ".DS_Store").write_bytes(b"x")
    assert isinstance(load_bundle(bundle_copy), Bundle)


def test_a_folder_without_manifest_is_foreign(bundle_copy: Path) -> None:
    (bundle_copy / "manifest.json").unlink()
    with pytest.raises(BundleError, match=r"no manifest\.json"):
        load_bundle(bundle_copy)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read"),
        ("[]", "not the manifest of a colles bundle"),
        ('{"manifest_version": 3, "name": "an extension"}', "not the manifest of a colles bundle"),
        ('{"format": "colles-bundle", "schema_version": 3, "files": {}}', "newer"),
        ('{"format": "colles-bundle", "schema_version": 0, "files": {}}', "older than 1"),
        ('{"format": "colles-bundle", "schema_version": "1", "files": {}}', "not a number"),
        ('{"format": "colles-bundle", "schema_version": 1, "files": {"a": {"sha256": "x", "bytes": 1}}}', "damaged"),
        ('{"format": "colles-bundle", "schema_version": 1, "files": {}}', r"lists no metadata\.json"),
    ],
)
def test_a_bad_manifest_is_refused(bundle_copy: Path, text: str, reason: str) -> None:
    (bundle_copy / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=reason):
        load_bundle(bundle_copy)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a\\b", "a\0b"])
def test_a_manifest_may_not_point_outside(bundle_copy: Path, name: str) -> None:
    values = json.loads((bundle_copy / "manifest.json").read_text())
    values["files"][name] = {"sha256": "0" * 64, "bytes": 0}
    (bundle_copy / "manifest.json").write_text(json.dumps(values))
    with pytest.raises(BundleError, match="outside the bundle"):
        load_bundle(bundle_copy)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 99}, "newer than .*Update colles; or export its run"),
        ({"schema_version": 0}, "older than 1, .*colles export RUN"),
        ({"operating_points": None, "thresholds": {}}, "operating_points: .*export it again"),
        ({"schema_version": None}, "not a number"),
        ({"preprocessing": {"size": -3}}, r"preprocessing\.size"),
        ({"operating_points": None}, "operating_points"),
    ],
)
def test_bad_metadata_is_refused_with_its_field(bundle_copy: Path, change: dict[str, object], reason: str) -> None:
    file = bundle_copy / "metadata.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    write_manifest(bundle_copy)
    with pytest.raises(BundleError, match=reason):
        load_bundle(bundle_copy)


def test_a_bundle_is_found_by_name(drawn_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLLES_MODELS", str(drawn_bundle.parent))
    assert load_bundle("drawn").folder == drawn_bundle
    with pytest.raises(MissingInputError, match="Did you mean 'drawn'"):
        load_bundle("drwan")


def test_a_tilde_in_the_variables_was_a_folder_of_that_name(
    drawn_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(drawn_bundle.parent.parent))
    monkeypatch.setenv("COLLES_MODELS", f"~/{drawn_bundle.parent.name}")
    monkeypatch.setenv("COLLES_CACHE", "~/cache")
    assert load_bundle("drawn").folder == drawn_bundle
    assert cache_folder() == drawn_bundle.parent.parent / "cache"


def test_a_file_is_no_bundle(drawn_bundle: Path) -> None:
    with pytest.raises(BundleError, match="a bundle is a folder"):
        load_bundle(drawn_bundle / "model.onnx")


def test_a_graph_altered_after_loading_is_not_run(bundle_copy: Path, grey_files: list[Path]) -> None:
    bundle = load_bundle(bundle_copy)
    (bundle_copy / "model.onnx").write_bytes(b"something else")
    with pytest.raises(BundleError, match="altered after"):
        bundle.predict(grey_files[0])


def test_a_graph_that_is_none_is_refused(bundle_copy: Path, grey_files: list[Path]) -> None:
    (bundle_copy / "model.onnx").write_bytes(b"something else")
    write_manifest(bundle_copy)
    with pytest.raises(BundleError, match="cannot load the graph"):
        load_bundle(bundle_copy).predict(grey_files[0])


def test_a_graph_of_another_size_is_refused(
    tmp_path: Path, grey_files: list[Path], bundle_maker: Callable[..., Path]
) -> None:
    folder = bundle_maker(tmp_path / "other", preprocessing={"size": 96, "channels": 1, "mean": [0.5], "std": [0.25]})
    with pytest.raises(BundleError, match="the graph takes"):
        load_bundle(folder).predict(grey_files[0])


@pytest.mark.parametrize(("shape", "reason"), [([2], "one logit"), ([7, 3], "cannot run the graph")])
def test_a_graph_that_fails_on_an_image_was_a_defect_and_verified(
    bundle_copy: Path, grey_files: list[Path], shape: list[int], reason: str
) -> None:
    """It gives two numbers an image, or stops; `colles bundle verify` said that its networks load."""
    onnx = pytest.importorskip("onnx")
    file = bundle_copy / "model.onnx"
    model = onnx.load(file)
    (node,) = (each for each in model.graph.node if "logit" in each.output)
    node.output[:] = ["one"]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(shape), "shape"))
    model.graph.node.append(onnx.helper.make_node("Concat", ["one", "one"], ["both"], axis=0))
    model.graph.node.append(onnx.helper.make_node("Reshape", ["both", "shape"], ["logit"]))
    onnx.save(model, file)
    write_manifest(bundle_copy)
    with pytest.raises(BundleError, match=reason):
        load_bundle(bundle_copy).predict(grey_files[0])
    result = CliRunner().invoke(app, ["bundle", "verify", str(bundle_copy)])
    assert isinstance(result.exception, BundleError)


@pytest.mark.parametrize("name", ["metadata.json", MANIFEST])
def test_json_of_endless_levels_is_refused(bundle_copy: Path, name: str) -> None:
    (bundle_copy / name).write_text("[" * 200_000)
    if name != MANIFEST:
        write_manifest(bundle_copy)
    with pytest.raises(BundleError, match="too many levels") as caught:
        load_bundle(bundle_copy)
    assert caught.value.path == str(bundle_copy / name)


def test_a_huge_metadata_json_is_refused_unread(bundle_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colles.serving.manifest._LARGEST", 2_000, raising=False)
    (bundle_copy / "metadata.json").write_text(" " * 3_000 + "{}")
    write_manifest(bundle_copy)
    with pytest.raises(BundleError, match="3002 bytes, above the limit"):
        load_bundle(bundle_copy)


def test_a_name_that_moves_the_cursor_of_a_terminal_was_taken(bundle_copy: Path) -> None:
    file = bundle_copy / "metadata.json"
    values = json.loads(file.read_text()) | {"name": "mine\x1b[2J"}
    file.write_text(json.dumps(values))
    write_manifest(bundle_copy)
    with pytest.raises(BundleError, match=r"name") as raised:
        load_bundle(bundle_copy)
    assert "\x1b" not in str(raised.value)


_POINT = {"name": "f1", "threshold": float("nan"), "criterion": "f1", "chosen_on": "val", "digest": ""}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"operating_points": {"f1": _POINT}}, "operating_points: .*the threshold of f1 is nan"),
        ({"calibration": {"method": "evil", "slope": 1.0, "intercept": 0.0}}, "calibration.method"),
        ({"calibration": {"method": "platt", "slope": float("nan"), "intercept": 0.0}}, "calibration.slope"),
        (
            {"calibration": {"method": "isotonic", "slope": 1.0, "intercept": 0.0}},
            "calibration: .*without as many knots",
        ),
        (
            {"calibration": {"method": "isotonic", "slope": 1.0, "intercept": 0.0, "x": [0.5, 0.2], "y": [0.1, 0.9]}},
            "calibration: .*which ascend",
        ),
        ({"name": "drawn\x1b[2J"}, "name"),
        ({"evaluation": {"figures": {"auroc": "high"}}}, r"evaluation: .*another form \(figures\.auroc\)"),
        ({"external": {"figures": 5}}, r"external: .*another form \(figures\)"),
    ],
)
def test_numbers_that_are_none_decided_or_ended_a_run_in_a_defect(
    bundle_copy: Path, change: dict[str, object], reason: str
) -> None:
    """A rule_in of NaN left the decision to f1 alone; figures of another form ended predict behind its last image."""
    test_bad_metadata_is_refused_with_its_field(bundle_copy, change, reason)


def test_show_of_a_bundle_of_another_form_was_a_defect(bundle_copy: Path) -> None:
    file = bundle_copy / "metadata.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"int8": {"known_score": 0.5}}))
    write_manifest(bundle_copy)
    result = CliRunner().invoke(app, ["bundle", "show", str(bundle_copy)])
    assert isinstance(result.exception, BundleError) and "KeyError: 'kept'" in str(result.exception)


def test_a_bundle_replaced_under_a_running_node_signed_results_of_the_one_before(bundle_copy: Path) -> None:
    bundle, before = load_bundle(bundle_copy), sha256_file(bundle_copy / "manifest.json")
    (bundle_copy / "manifest.json").write_text("{}")
    assert bundle.manifest_sha256 == before
    shutil.rmtree(bundle_copy)
    assert bundle.manifest_sha256 == before


def test_show_did_not_tell_which_thresholds_decide(bundle_maker: Callable[..., Path], tmp_path: Path) -> None:
    """Two that cross stood there as if they decided."""
    points = {
        name: OperatingPoint(name=name, threshold=threshold, criterion="", chosen_on="val", digest="")
        for name, threshold in (("f1", 0.5), ("rule_out", 0.6), ("rule_in", 0.4))
    }
    crossed = bundle_maker(tmp_path / "crossed", operating_points=points)
    usual = bundle_maker(tmp_path / "usual")
    for folder, told in ((usual, "rule_out and rule_in"), (crossed, "f1 alone: nothing is left undecided")):
        shown = CliRunner().invoke(app, ["bundle", "show", str(folder)])
        assert re.search(rf"^decides by +{told}$", shown.output, re.M), shown.output
