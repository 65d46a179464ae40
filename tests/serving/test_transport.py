"""Bundles to other places and back, and what is refused on the way."""

from __future__ import annotations

import json
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import BundleError, MissingInputError, OutputExistsError
from colles.serving.bundle import load_bundle
from colles.serving.difference import compare_bundles
from colles.serving.transport import pull_bundle, push_bundle


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["bundle", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("form", ["folder", "zip", "hub"])
def test_a_bundle_comes_back_as_it_went(drawn_bundle: Path, tmp_path: Path, form: str) -> None:
    bundle = load_bundle(drawn_bundle)
    target = push_bundle(bundle, tmp_path / ("away.zip" if form == "zip" else "away"), hub=form == "hub")
    again = pull_bundle(target, tmp_path / "back")
    assert again.manifest == bundle.manifest and again.metadata == bundle.metadata
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == sorted(
        ["manifest.json", *bundle.manifest.files]
    )


def test_a_zip_file_made_twice_has_the_same_bytes(drawn_bundle: Path, tmp_path: Path) -> None:
    bundle = load_bundle(drawn_bundle)
    one, other = (push_bundle(bundle, tmp_path / f"{name}.zip").read_bytes() for name in "ab")
    assert one == other


def test_the_hub_layout_has_a_card_with_front_matter_and_large_files_apart(drawn_bundle: Path, tmp_path: Path) -> None:
    made = push_bundle(load_bundle(drawn_bundle), tmp_path / "hub", hub=True)
    card = (made / "README.md").read_text()
    assert card.startswith("---\n") and "license: apache-2.0" in card and "not a medical device" in card
    assert "*.onnx filter=lfs" in (made / ".gitattributes").read_text()
    assert json.loads((made / "config.json").read_text())["format"] == "colles-bundle"


def test_a_zip_file_with_a_folder_inside_is_a_bundle_too(drawn_bundle: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "wrapped"), "zip", drawn_bundle.parent, drawn_bundle.name)
    assert pull_bundle(tmp_path / "wrapped.zip", tmp_path / "back").name == "drawn@0123456789ab"


def rezipped(bundle: Path, target: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(bundle.iterdir()):
            changed = change(path.name, path.read_bytes())
            if changed:
                archive.writestr(*changed)
    return target


def evil_manifest(name: str, data: bytes) -> tuple[str, bytes]:
    if name != "manifest.json":
        return name, data
    values = json.loads(data)
    values["files"]["../../evil.txt"] = {"sha256": "0" * 64, "bytes": 3}
    return name, json.dumps(values).encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda name, data: (name, data[:-1]) if name == "model.onnx" else (name, data), "bytes where the manifest"),
        (lambda name, data: (name, data[:-1] + b"x") if name == "LICENSE" else (name, data), "sha256"),
        (lambda name, data: None if name == "metadata.json" else (name, data), "listed in the manifest but missing"),
        (lambda name, data: None if name == "manifest.json" else (name, data), "no manifest.json"),
        (lambda name, data: (name, data + b"\0" * 10**7) if name == "model.onnx" else (name, data), "bytes where"),
        (lambda name, data: (name, b"{}") if name == "manifest.json" else (name, data), "not the manifest"),
        (lambda name, data: (name, b" " * 2_000_000) if name == "manifest.json" else (name, data), "its manifest has"),
        (evil_manifest, "outside the bundle"),
    ],
)  # fmt: skip
def test_a_bad_zip_file_is_refused_with_its_reason_and_leaves_nothing(
    drawn_bundle: Path, tmp_path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], reason: str
) -> None:
    source = rezipped(drawn_bundle, tmp_path / "bad.zip", change)
    with pytest.raises(BundleError, match=reason) as caught:
        pull_bundle(source, tmp_path / "deep" / "back")
    assert "partial" not in str(caught.value) and caught.value.path == str(source)
    assert not (tmp_path / "deep" / "back").exists() and not list(tmp_path.glob("**/evil.txt"))


def vouched(name: str, data: bytes, size: int) -> tuple[str, bytes]:
    """Change the manifest so that it says LICENSE has another size."""
    if name != "manifest.json":
        return name, data
    values = json.loads(data)
    values["files"]["LICENSE"]["bytes"] = size
    return name, json.dumps(values).encode()


def test_a_zip_file_torn_on_the_way_is_refused(drawn_bundle: Path, tmp_path: Path) -> None:
    source = rezipped(drawn_bundle, tmp_path / "torn.zip", lambda name, data: (name, data))
    with zipfile.ZipFile(source) as archive:
        place = archive.getinfo("LICENSE").header_offset + 30 + len("LICENSE")  # APPNOTE.TXT 4.3.7
    data = bytearray(source.read_bytes())
    data[place : place + 50] = b"\xff" * 50
    source.write_bytes(data)
    with pytest.raises(BundleError, match="LICENSE cannot be read"):
        pull_bundle(source, tmp_path / "back")


def test_a_large_member_is_copied_in_pieces(drawn_bundle: Path, tmp_path: Path) -> None:
    size = 30_000_000

    def change(name: str, data: bytes) -> tuple[str, bytes]:
        return (name, bytes(size)) if name == "LICENSE" else vouched(name, data, size)

    source = rezipped(drawn_bundle, tmp_path / "large.zip", change)
    tracemalloc.start()
    with pytest.raises(BundleError, match="LICENSE: its sha256 is not the manifest's"):
        pull_bundle(source, tmp_path / "back")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


def test_a_manifest_that_vouches_for_more_than_any_bundle_holds_is_refused(drawn_bundle: Path, tmp_path: Path) -> None:
    source = rezipped(drawn_bundle, tmp_path / "a.zip", lambda name, data: vouched(name, data, 6_000_000_000))
    with pytest.raises(BundleError, match="its manifest lists 60"):
        pull_bundle(source, tmp_path / "back")


def test_what_is_no_bundle_is_refused(drawn_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"no zip")
    for source, reason in ((tmp_path / "no.zip", "no zip file"), (tmp_path, r"no manifest\.json")):
        with pytest.raises(BundleError, match=reason):
            pull_bundle(source, tmp_path / "back")
    with pytest.raises(MissingInputError):
        pull_bundle(tmp_path / "nothing", tmp_path / "back")
    with pytest.raises(OutputExistsError):
        push_bundle(load_bundle(drawn_bundle), tmp_path)


def test_differences_are_named_by_field(drawn_bundle: Path, tmp_path: Path, bundle_maker: Callable[..., Path]) -> None:
    other = bundle_maker(
        tmp_path / "other", name="renamed", calibration={"method": "platt", "slope": 2, "intercept": 0}
    )
    found = {
        each.field: (each.one, each.other) for each in compare_bundles(load_bundle(drawn_bundle), load_bundle(other))
    }
    assert found["name"] == ("drawn", "renamed") and found["calibration.slope"] == (None, 2.0)
    assert not any(field.startswith("file model") for field in found)
    assert compare_bundles(load_bundle(other), load_bundle(other)) == []


def test_the_verbs(drawn_bundle: Path, tmp_path: Path, bundle_maker: Callable[..., Path]) -> None:
    other = bundle_maker(tmp_path / "other", name="renamed")
    code, text = run("show", drawn_bundle)
    assert code == 0 and "drawn@0123456789ab" in text and "rule_out" in text and "none: whatever can be read" in text
    assert json.loads(run("show", drawn_bundle, "--json")[1])["metadata"]["name"] == "drawn"
    assert run("verify", drawn_bundle) == (0, "drawn@0123456789ab: 5 files as the manifest says; its networks load\n")
    assert run("diff", drawn_bundle, drawn_bundle) == (0, "no difference\n")
    code, text = run("diff", drawn_bundle, other)
    assert code == 1 and "name: drawn → renamed" in text
    assert run("push", other, tmp_path / "b.zip")[0] == 0
    assert run("pull", tmp_path / "b.zip", "--out", tmp_path / "again")[0] == 0
    (tmp_path / "again" / "LICENSE").write_text("mine")
    with pytest.raises(BundleError, match="LICENSE"):
        run("verify", tmp_path / "again")
