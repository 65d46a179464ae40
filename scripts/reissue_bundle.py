"""Write the card of a bundle in models/ anew, with the figures that its shipped predictions have by today's methods.

`python scripts/reissue_bundle.py NAME [--about SOURCE=TEXT]... [--started-from TEXT]` puts the texts and the figures on
the subsets `test` and `external` of models/predictions/NAME.parquet into its metadata. Subgroups, for which a catalog
is needed, stay, as do networks, thresholds and version. Run `scripts/publish_bundle.py NAME` afterwards.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from colles.core.errors import CollesError
from colles.core.files import atomic_path
from colles.core.recipe_text import load_recipe
from colles.evaluation.evaluate import evaluate
from colles.evaluation.predictions import Predictions
from colles.evaluation.results import Evaluation
from colles.learning.export import subset_figures
from colles.serving.bundle import RECIPE, Bundle, load_bundle, write_bundle
from colles.serving.metadata import BundleMetadata
from colles.serving.transport import push_bundle

ROOT = Path(__file__).parents[1]


def renewed(bundle: Bundle, about: dict[str, str], started_from: str | None, predictions: Path) -> BundleMetadata:
    """Return the bundle's metadata with the texts and the external figures."""
    told = bundle.metadata
    sources: list[dict[str, Any]] = told.training.get("sources", [])
    unknown = set(about) - {source["name"] for source in sources}
    if unknown:
        raise SystemExit(f"{bundle.name} did not learn from {min(unknown)!r}")
    more = [source | ({"about": about[source["name"]]} if source["name"] in about else {}) for source in sources]
    judged = evaluate(Predictions.load(predictions), load_recipe(bundle.folder / RECIPE).evaluate)
    started = {"weights_from": started_from} if started_from else {}
    changed = {
        "training": {**told.training, **started, "sources": more},
        "evaluation": _anew(told.evaluation, judged, "test"),
        "external": _anew(told.external, judged, "external"),
    }
    return told.model_copy(update=changed)


def _anew(known: dict[str, Any] | None, judged: Evaluation, subset: str) -> dict[str, Any] | None:
    found = subset_figures(judged, subset)
    return found and found | ({"subgroups": known["subgroups"]} if known else {})


def main(arguments: list[str] | None = None) -> None:
    """Read the arguments, and put the new bundle in the place of the old one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--about", action="append", default=[], metavar="SOURCE=TEXT")
    parser.add_argument("--started-from", metavar="TEXT")
    given = parser.parse_args(arguments)
    if bad := [text for text in given.about if "=" not in text]:
        parser.error(f"--about {bad[0]}: write SOURCE=TEXT")
    bundle = load_bundle(ROOT / "models" / given.name, to_answer=False)
    about = dict(text.split("=", 1) for text in given.about)
    metadata = renewed(bundle, about, given.started_from, ROOT / "models" / "predictions" / f"{given.name}.parquet")
    with atomic_path(bundle.folder) as staged:
        push_bundle(bundle, staged)
        write_bundle(staged, metadata, bundle.manifest.left_out)
    print(bundle.folder)


if __name__ == "__main__":
    try:
        main()
    except CollesError as error:
        sys.exit(f"error: {error}")
