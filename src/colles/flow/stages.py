"""The stages of a run: what each depends on, what it writes, and how it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from colles.core.errors import StaleInputError
from colles.core.files import existing_file, remove, sha256_file
from colles.core.progress import say
from colles.core.recipe import Recipe
from colles.flow import model_stages
from colles.flow.stage import Stage
from colles.flow.workspace import Workspace


def _tell(warnings: Iterable[str]) -> None:
    for warning in warnings:
        say(f"  {warning}")


class Stages:
    """Build the stages of one recipe in one workspace."""

    def __init__(
        self, recipe: Recipe, space: Workspace, recipe_folder: Path, *, begun: Mapping[str, Any] | None = None
    ) -> None:
        """`begun` holds the digests of `catalog` and `split` that are not to be replaced by others."""
        self.recipe = recipe
        self.space = space
        self.recipe_folder = recipe_folder
        self._begun = begun or {}

    def _assert_begun(self, what: str, digest: str, path: Path) -> None:
        if self._begun.get(what, digest) != digest:
            raise StaleInputError(
                f"what was begun here had another {what}, which is kept",
                path=path,
                repair="Resume with the recipe and data it began with, or choose another --out",
            )

    @cached_property
    def data(self) -> list[Stage]:
        """Stages that end with a split."""
        space = self.space
        drawn = tuple(space.phantom / name for name in ("truth.csv", "FracAtlas", "bonefractureyolo"))
        phantom = Stage("phantom", self._phantom_inputs, drawn, self._make_phantom)
        stages = [phantom] if self.recipe.data.phantom is not None else []
        audit_files = tuple(space.audit / name for name in ("audit.json", "clusters.csv", "audit.html"))
        return [
            *stages,
            Stage("catalog", self._catalog_inputs, (space.catalog,), self._make_catalog),
            Stage("audit", self._audit_inputs, audit_files, self._make_audit),
            Stage("split", self._split_inputs, (space.split, space.split.with_suffix(".json")), self._make_split),
        ]

    @cached_property
    def all(self) -> list[Stage]:
        """Every stage of `colles run`, in order."""
        return [*self.data, *([self.organize] if self.recipe.organize.enabled else []), *model_stages.build(self)]

    @cached_property
    def organize(self) -> Stage:
        """The merged folders."""
        merged = tuple(self.space.organized / name for name in ("manifest.csv", "combined", "combined_organized"))
        return Stage("organize", self._organize_inputs, merged, self._make_organize)

    def _phantom_inputs(self) -> Any:
        assert self.recipe.data.phantom is not None
        return self.recipe.data.phantom.model_dump()

    def _make_phantom(self, resume: bool) -> None:
        from colles.datasets.phantom import write_phantoms

        assert self.recipe.data.phantom is not None
        remove(self.space.phantom)
        write_phantoms(self.space.phantom, self.recipe.data.phantom)

    def _catalog_inputs(self) -> Any:
        from colles.flow.sources import digest_source, open_sources

        data = self.recipe.data
        sources = open_sources(data, self.recipe_folder, self.space.phantom, self._salt)
        limits = [data.max_pixels, data.max_bytes]
        described = [source.model_dump(exclude={"path"}) for source in data.sources]
        corrected = None if self._corrections is None else sha256_file(existing_file(self._corrections))
        return [limits, described, corrected, [[s.name, str(s.root), digest_source(s)] for s in sources]]

    @property
    def _corrections(self) -> Path | None:
        path = self.recipe.data.corrections
        return None if path is None else self.recipe_folder / Path(path).expanduser()

    @property
    def _salt(self) -> Path:
        return self.space.catalog.with_suffix(".salt")

    def _make_catalog(self, resume: bool) -> None:
        from colles.datasets.catalog import absent, build_catalog
        from colles.datasets.corrections import apply_corrections, made_fractures, read_corrections
        from colles.flow.sources import open_sources

        data = self.recipe.data
        sources = open_sources(data, self.recipe_folder, self.space.phantom, self._salt)
        limits = {"max_pixels": data.max_pixels, "max_bytes": data.max_bytes}
        made = [] if self._corrections is None else read_corrections(self._corrections)
        catalog = build_catalog(sources, workers=data.workers, keep_boxes=made_fractures(made), **limits)
        catalog = apply_corrections(catalog, made, path=self._corrections or "")
        self._assert_begun("catalog", catalog.digest, self.space.catalog)
        catalog.save(self.space.catalog)
        _tell(absent(catalog.frame))

    def _audit_inputs(self) -> Any:
        return [sha256_file(self.space.catalog), self.recipe.audit.model_dump()]

    def _make_audit(self, resume: bool) -> None:
        from colles.datasets.audit import audit_catalog
        from colles.datasets.catalog import Catalog
        from colles.reporting.audit_page import write_audit_page

        catalog = Catalog.load(self.space.catalog)
        audit = audit_catalog(catalog, self.recipe.audit)
        audit.save(self.space.audit)
        write_audit_page(audit, catalog, self.space.audit / "audit.html")
        _tell(audit.summary["notices"])

    def _split_inputs(self) -> Any:
        clusters = sha256_file(self.space.audit / "clusters.csv")
        kept = None if self._kept is None else sha256_file(existing_file(self._kept))
        recipe = self.recipe.split.model_dump()
        return [sha256_file(self.space.catalog), clusters, recipe, kept, self.recipe.data.region]

    @property
    def _kept(self) -> Path | None:
        keep = self.recipe.split.keep
        return None if keep is None else self.recipe_folder / Path(keep).expanduser()

    def _make_split(self, resume: bool) -> None:
        from colles.datasets.audit.audit import read_clusters
        from colles.datasets.catalog import Catalog
        from colles.datasets.split import Split, assert_no_leak, make_split
        from colles.datasets.split_table import left_out

        catalog = Catalog.load(self.space.catalog)
        clusters = read_clusters(self.space.audit / "clusters.csv")
        keep = None if self._kept is None else Split.load(self._kept)
        split = make_split(catalog, self.recipe.split, clusters=clusters, region=self.recipe.data.region, keep=keep)
        assert_no_leak(split, catalog, clusters)
        self._assert_begun("split", split.digest, self.space.split)
        split.save(self.space.split)
        _tell([*split.summary["warnings"], left_out(split.summary, self.space.split)])

    def _organize_inputs(self) -> Any:
        recipe = self.recipe.organize.model_dump()
        return [sha256_file(self.space.catalog), sha256_file(self.space.split), recipe]

    def _make_organize(self, resume: bool) -> None:
        from colles.datasets.catalog import Catalog
        from colles.datasets.organize import organize
        from colles.datasets.split import Split

        catalog, split = Catalog.load(self.space.catalog), Split.load(self.space.split)
        organize(catalog, split, self.space.organized, link=self.recipe.organize.link, rebuild=True)
