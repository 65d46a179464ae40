"""Published bundles by name: the default, checksum, resume, the cache, and where a name is looked for."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import BundleError, CollesError, DownloadError, MissingInputError, OutputExistsError, UsageError
from colles.serving import bundle as bundles
from colles.serving import known as registry
from colles.serving.bundle import load_bundle
from colles.serving.fetch import fetch_bundle
from colles.serving.known import KnownBundle, address_of, default_bundle, find_known, known_bundles
from colles.serving.transport import push_bundle
from served import Served, serve

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in an empty folder with an empty cache, as an installed program does."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("COLLES_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLLES_BUNDLES", raising=False)
    monkeypatch.delenv("COLLES_MODELS", raising=False)


@pytest.fixture
def archive(drawn_bundle: Path, tmp_path: Path) -> bytes:
    return push_bundle(load_bundle(drawn_bundle), tmp_path / "packed.zip").read_bytes()


@pytest.fixture
def served(archive: bytes) -> Iterator[Served]:
    with serve(archive, "drawn-1.zip") as served:
        yield served


@pytest.fixture
def known(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> KnownBundle:
    """Enter the drawn bundle in the registry, as its only one and as the default."""
    entry = {
        "title": "drawn", "version": "0123456789ab", "archive": "drawn-1.zip", "bytes": len(archive),
        "sha256": hashlib.sha256(archive).hexdigest(), "licence": "Apache-2.0", "licence_url": "-", "terms": "None.",
    }  # fmt: skip
    content = {"default": "drawn", "address": None, "bundles": {"drawn": entry}}
    monkeypatch.setattr(registry, "_registry", lambda: content)
    monkeypatch.setattr(registry, "known_bundles", lambda: {"drawn": KnownBundle(name="drawn", **entry)})
    monkeypatch.setattr(bundles, "known_bundles", registry.known_bundles)
    return KnownBundle(name="drawn", **entry)


def test_a_bundle_is_fetched_verified_and_found_by_name(
    known: KnownBundle, served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, grey_files: list[Path]
) -> None:
    with pytest.raises(MissingInputError, match="Fetch it: colles bundle get drawn"):
        load_bundle("drawn")
    monkeypatch.setenv("COLLES_BUNDLES", served.url.rpartition("/")[0] + "/")
    made = fetch_bundle(known)
    assert made.folder == tmp_path / "cache" / "bundles" / "drawn"
    assert [path.name for path in made.folder.parent.iterdir()] == ["drawn"]
    assert load_bundle().folder == load_bundle("drawn").folder == made.folder
    fetch_bundle(known)
    assert served.ranges == [None], "what is there is not fetched twice"
    answered = CliRunner().invoke(app, ["predict", str(grey_files[0]), "--out", "answers.csv"])
    assert answered.exit_code == 0, answered.output
    assert "drawn@0123456789ab" in Path("answers.csv").read_text()


def test_a_download_of_a_bundle_goes_on_where_it_stopped(known: KnownBundle, served: Served) -> None:
    served.cut = [16_500]
    with pytest.raises(DownloadError, match="16,384 bytes are kept"):
        fetch_bundle(known, origin=served.url)
    fetch_bundle(known, origin=served.url)
    assert served.ranges == [None, "bytes=16384-"]


def test_a_damaged_or_older_copy_in_the_cache_is_replaced(known: KnownBundle, served: Served, tmp_path: Path) -> None:
    cached = tmp_path / "cache" / "bundles" / "drawn"
    fetch_bundle(known, origin=served.url)
    (cached / "model.onnx").write_bytes(b"damaged")
    fetch_bundle(known, origin=served.url)
    assert load_bundle(cached).name == "drawn@0123456789ab"


def test_what_is_not_the_expected_archive_leaves_nothing(
    known: KnownBundle, served: Served, tmp_path: Path, bundle_maker: Callable[..., Path]
) -> None:
    with pytest.raises(DownloadError, match="is not the expected file"):
        fetch_bundle(known, origin=served.url, sha256="0" * 64)
    other = push_bundle(load_bundle(bundle_maker(tmp_path / "other", name="other")), tmp_path / "other.zip")
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    with pytest.raises(BundleError, match="is other@0123456789ab, not drawn"):
        fetch_bundle(known, tmp_path / "mine", origin=str(other), sha256=digest)
    assert not (tmp_path / "mine").exists()
    assert other.is_file()
    with pytest.raises(MissingInputError):
        load_bundle("drawn")


def test_nobody_says_where_bundles_are_published(known: KnownBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DownloadError, match=r"Set COLLES_BUNDLES to the address or folder that holds drawn-1\.zip"):
        address_of(known)
    monkeypatch.setenv("COLLES_BUNDLES", "/mnt/bundles")
    assert address_of(known) == "/mnt/bundles/drawn-1.zip"


def test_the_verbs_show_the_licence_and_where_a_bundle_is(known: KnownBundle, served: Served, tmp_path: Path) -> None:
    listed = CliRunner().invoke(app, ["bundle", "list"])
    assert "drawn (default)" in listed.stdout and "colles bundle get drawn" in listed.stdout
    assert known.terms in " ".join(listed.stdout.split())
    out = tmp_path / "here" / "models" / "drawn"
    done = CliRunner().invoke(app, ["bundle", "get", "drawn", "--from", served.url, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "Licence: Apache-2.0" in done.stderr and "Next: colles predict" in done.stdout
    assert json.loads(CliRunner().invoke(app, ["bundle", "list", "--json"]).stdout)[0]["here"] == "models/drawn"
    again = CliRunner().invoke(app, ["bundle", "get", "drawn", "--from", served.url, "--out", str(out)])
    assert isinstance(again.exception, OutputExistsError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("drwan",), "Did you mean 'drawn'"),
        (("drawn",), "Set COLLES_BUNDLES"),
        (("drawn", "--sha256", "12"), "64 hexadecimal digits"),
        (("drawn", "--from", "nowhere.zip"), "no such file"),
    ],
)
def test_nonsense_is_answered_with_a_next_step(known: KnownBundle, arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["bundle", "get", *arguments])
    assert isinstance(result.exception, CollesError)
    assert message in str(result.exception)


def test_a_name_that_nobody_knows_gets_a_next_step() -> None:
    with pytest.raises(UsageError, match="Known: "):
        find_known("nonsense-of-another-kind")
    with pytest.raises(MissingInputError, match=r"There are|Make one"):
        load_bundle("nonsense-of-another-kind")


def test_the_default_is_registered_and_in_the_checkout() -> None:
    assert default_bundle() in known_bundles()
    assert (MODELS / default_bundle() / "manifest.json").is_file()


@pytest.mark.parametrize("name", sorted(known_bundles()))
def test_the_registry_describes_the_bundles_of_this_checkout(name: str, tmp_path: Path) -> None:
    if not (MODELS / name).is_dir():
        pytest.skip(f"{name} is published, and not in models/")
    packed = push_bundle(load_bundle(MODELS / name, to_answer=False), tmp_path / "packed.zip")
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    assert digest == find_known(name).sha256, f"python scripts/publish_bundle.py {name}"


def test_publishing_a_bundle_enters_it_and_keeps_what_was_said(drawn_bundle: Path, tmp_path: Path) -> None:
    script = MODELS.parent / "scripts" / "publish_bundle.py"
    spec = importlib.util.spec_from_file_location("publish_bundle", script)
    assert spec is not None and spec.loader is not None
    publish = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(publish)
    models = tmp_path / "root" / "models"
    shutil.copytree(drawn_bundle, models / "drawn")
    publish.ROOT, publish.REGISTRY = tmp_path / "root", tmp_path / "root" / "bundles.yaml"
    for options in (["--default", "--title", "A title"], []):
        publish.main(["drawn", *options])
    made = yaml.safe_load(publish.REGISTRY.read_text())
    assert made["default"] == "drawn"
    assert made["bundles"]["drawn"]["title"] == "A title"
    archive = tmp_path / "root" / "out" / "bundles" / made["bundles"]["drawn"]["archive"]
    assert made["bundles"]["drawn"]["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
