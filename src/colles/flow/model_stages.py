"""The stages after the split: train, robustness, evaluate, explain, export, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from colles.core.files import remove, sha256_file
from colles.flow.stage import Stage
from colles.serving.bundle import CARD, LICENSE, METADATA, MODEL, RECIPE, WEIGHTS
from colles.serving.manifest import MANIFEST, is_bundle_alone

if TYPE_CHECKING:
    from colles.core.recipe import ExportRecipe
    from colles.flow.stages import Stages
    from colles.flow.workspace import Workspace

_BUNDLE = (MANIFEST, METADATA, MODEL, WEIGHTS, RECIPE, CARD, LICENSE)
KEPT = "Kept the earlier training as {name}"


def build(stages: Stages) -> list[Stage]:
    """Return the model stages of a run, in order."""
    space, made = stages.space, ModelStages(stages)
    robustness = [Stage("robustness", made.robustness_inputs, (space.robustness,), made.robustness)]
    return [
        Stage("train", made.train_inputs, _trained(space), made.train),
        *(robustness if stages.recipe.robustness.enabled else []),
        Stage("evaluate", made.evaluate_inputs, (space.evaluation,), made.evaluate),
        Stage("explain", made.explain_inputs, (space.explain / "explanations.json",), made.explain),
        Stage("export", made.export_inputs, tuple(space.bundle / name for name in _BUNDLE), made.export),
        Stage("report", made.report_inputs, (space.report, space.out / "results"), made.report),
    ]


def _trained(space: Workspace) -> tuple[Path, ...]:
    kept = [space.train / "checkpoints" / name for name in ("best.safetensors", "best.json")]
    return (*kept, space.train / "recipe.yaml", space.predictions, space.train / "provenance.json")


class ModelStages:
    """What each model stage depends on and how it is made."""

    def __init__(self, stages: Stages) -> None:
        self.recipe = stages.recipe
        self.space = stages.space

    def _checkpoint(self) -> str:
        return sha256_file(self.space.train / "checkpoints" / "best.safetensors")

    def train_inputs(self) -> Any:
        from colles.datasets.catalog import Catalog
        from colles.datasets.split import Split

        recipe = self.recipe
        settings = [recipe.preprocess.model_dump(mode="json"), recipe.model.model_dump(mode="json")]
        digests = [Catalog.load(self.space.catalog).digest, Split.load(self.space.split).digest]
        inputs = [*digests, recipe.seed, *settings, recipe.train.deciding()]
        if recipe.networks():  # only then is torch worth its seconds
            from colles.learning.training.inputs import describe_contents

            inputs.append(describe_contents(recipe))
        return inputs

    def train(self, resume: bool) -> None:
        from colles.core.progress import say
        from colles.datasets.catalog import Catalog
        from colles.datasets.split import Split
        from colles.learning.training import train
        from colles.learning.training.begun import is_begun

        folder, skip = self.space.train, self.recipe.train.mode == "skip"
        catalog, split = Catalog.load(self.space.catalog), Split.load(self.space.split)
        # the folder knows better than the ledger, which names a training before anything of it is there
        begun = is_begun(catalog, split, self.recipe, folder) if folder.exists() else None
        resume = resume if begun is None else begun
        if folder.exists() and not resume and not skip:
            kept = set_aside(folder)
            say(f"  {KEPT.format(name=kept.name)}")
        train(catalog, split, self.recipe, folder, resume=resume and folder.exists())

    def robustness_inputs(self) -> Any:
        catalog, recipe = sha256_file(self.space.catalog), self.recipe.robustness.model_dump()
        return [self._checkpoint(), sha256_file(self.space.predictions), catalog, recipe]

    def robustness(self, resume: bool) -> None:
        from colles.datasets.catalog import Catalog
        from colles.flow.robustness import write_robustness

        space, frame = self.space, Catalog.load(self.space.catalog).frame
        write_robustness(space.train, space.predictions, frame, self.recipe.robustness, space.robustness)

    def evaluate_inputs(self) -> Any:
        from colles.evaluation.results import SCHEMA_VERSION

        catalog, recipe = sha256_file(self.space.catalog), self.recipe.evaluate.model_dump()
        worse = [sha256_file(self.space.robustness)] if self.recipe.robustness.enabled else []
        return [SCHEMA_VERSION, sha256_file(self.space.predictions), catalog, recipe, *worse]

    def evaluate(self, resume: bool) -> None:
        from colles.datasets.catalog import Catalog
        from colles.evaluation.evaluate import evaluate
        from colles.evaluation.predictions import Predictions

        predictions = Predictions.load(self.space.predictions)
        worse = Predictions.load(self.space.robustness) if self.recipe.robustness.enabled else None
        frame = Catalog.load(self.space.catalog).frame
        found = evaluate(predictions, self.recipe.evaluate, catalog_frame=frame, perturbed=worse)
        found.save(self.space.evaluation)

    def explain_inputs(self) -> Any:
        read = (self.space.catalog, self.space.predictions, self.space.evaluation)
        return [self._checkpoint(), *map(sha256_file, read), self.recipe.explain.model_dump()]

    def explain(self, resume: bool) -> None:
        from colles.flow.explain_stage import explain_run

        remove(self.space.explain)
        explain_run(self.space, self.recipe.explain)

    def export_inputs(self) -> Any:
        about = [[source.name or source.kind, source.about] for source in self.recipe.data.sources]
        return [self._checkpoint(), sha256_file(self.space.evaluation), self._export_recipe().model_dump(), about]

    def _export_recipe(self) -> ExportRecipe:
        recipe = self.recipe
        return recipe.export.model_copy(update={"name": recipe.export.name or recipe.name})

    def export(self, resume: bool) -> None:
        from colles.datasets.catalog import Catalog
        from colles.datasets.split import Split
        from colles.evaluation.results import Evaluation
        from colles.learning.export import export_bundle

        evaluation = Evaluation.load(self.space.evaluation)
        catalog = Catalog.load(self.space.catalog)
        if not is_bundle_alone(self.space.bundle):  # one is replaced when the new one is made
            remove(self.space.bundle)
        export_bundle(
            self.space.train,
            self.space.bundle,
            evaluation=evaluation,
            catalog=catalog,
            recipe=self._export_recipe(),
            split=Split.load(self.space.split),
            overwrite=True,
            sources=self.recipe.data.sources,
        )

    def report_inputs(self) -> Any:
        space = self.space
        parts = (
            space.catalog,
            space.audit / "audit.json",
            space.split,
            space.evaluation,
            space.explain / "explanations.json",
            space.explain / "scores.json",
            space.bundle / "manifest.json",
            space.train / "metrics.csv",
        )
        return [[sha256_file(part) for part in parts if part.is_file()], self.recipe.model_dump(mode="json")]

    def report(self, resume: bool) -> None:
        from colles.flow.report import write_report_and_card

        write_report_and_card([self.space.out], self.space.report)


def set_aside(folder: Path) -> Path:
    """Rename a folder to the first free `NAME.1`, `NAME.2`, … beside it; nothing is ever lost."""
    number = 1
    while folder.with_name(f"{folder.name}.{number}").exists():
        number += 1
    return folder.rename(folder.with_name(f"{folder.name}.{number}"))
