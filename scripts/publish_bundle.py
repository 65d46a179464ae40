"""Pack a bundle of models/ for publication and enter it in the registry of bundles.

`python scripts/publish_bundle.py NAME [--default] [--title TEXT] [--terms TEXT] [--out DIR]` writes
DIR/NAME-VERSION.zip (out/bundles by default) and NAME's entry in src/colles/serving/bundles.yaml. Run it whenever a
bundle in models/ is replaced; `--default` makes it the one that the wheel carries and `colles predict` uses unasked.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from colles.core.errors import CollesError
from colles.core.files import remove, sha256_file
from colles.serving.bundle import Bundle, load_bundle
from colles.serving.transport import push_bundle

ROOT = Path(__file__).parents[1]
REGISTRY = ROOT / "src" / "colles" / "serving" / "bundles.yaml"
HEAD = """# Bundles that `colles bundle get` knows, written by scripts/publish_bundle.py. `default` is the one that
# answers where none is named, and that the wheel carries. `address` is where the archives are published, where that is
# known; the variable COLLES_BUNDLES goes before it.
"""


def pack(bundle: Bundle, out: Path) -> dict[str, Any]:
    """Write the archive; return what the registry says of it."""
    archive = out / f"{bundle.metadata.name}-{bundle.metadata.version}.zip"
    remove(archive)
    push_bundle(bundle, archive)
    return {
        "version": bundle.metadata.version,
        "archive": archive.name,
        "sha256": sha256_file(archive),
        "bytes": archive.stat().st_size,
    }


def enter(registry: dict[str, Any], bundle: Bundle, packed: dict[str, Any], **said: str | None) -> None:
    """Put a packed bundle into the registry; title and terms stay where none are given."""
    told = bundle.metadata
    entry: dict[str, Any] = {
        "title": f"{told.model.get('name')}, {told.preprocessing.size} px",
        "licence": "Apache-2.0",
        "licence_url": "https://www.apache.org/licenses/LICENSE-2.0",
        "terms": "Research software, not a medical device.",
    }
    entry |= registry["bundles"].get(told.name, {}) | {key: value for key, value in said.items() if value} | packed
    registry["bundles"][told.name] = entry


def main(arguments: list[str] | None = None) -> None:
    """Read the arguments, pack, and write the registry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--default", action="store_true")
    parser.add_argument("--title")
    parser.add_argument("--terms")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    out = given.out or ROOT / "out" / "bundles"
    registry = yaml.safe_load(REGISTRY.read_text("utf-8")) if REGISTRY.is_file() else {}
    registry = {"default": given.name, "address": None, "bundles": {}} | registry
    bundle = load_bundle(ROOT / "models" / given.name, to_answer=False)
    enter(registry, bundle, pack(bundle, out), title=given.title, terms=given.terms)
    if given.default:
        registry["default"] = given.name
    text = yaml.safe_dump(registry, sort_keys=False, allow_unicode=True, width=110)
    REGISTRY.write_text(HEAD + text, encoding="utf-8")
    print(f"{out / registry['bundles'][given.name]['archive']}; registered in {REGISTRY.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except CollesError as error:
        sys.exit(f"error: {error}")
