"""The stages after the split: train, evaluate, explain, export, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from colles.core.files import remove, sha256_file

if TYPE_CHECKING:
    from colles.flow.stages import Stage, Stages

KEPT = "Kept the earlier training as {name}"


def build(stages: Stages) -> list[Stage]:
    """Return the model stages of a run, in order."""
    from colles.flow.stages import Stage

    space, made = stages.space, ModelStages(stages)
    robustness = [Stage("robustness", made.robustness_inputs, (space.robustness,), made.robustness)]
    return [
        Stage("train", made.train_inputs, (space.predictions, space.train / "provenance.json"), made.train),
        *(robustness if stages.recipe.robustness.enabled else []),
        Stage("evaluate", made.evaluate_inputs, (space.evaluation,), made.evaluate),
        Stage("explain", made.explain_inputs, (space.explain / "explanations.json",), made.explain),
        Stage("export", made.export_inputs, (space.bundle / "manifest.json",), made.export),
        Stage("report", made.report_inputs, (space.report,), made.report),
    ]


class ModelStages:
    """What each model stage depends on and how it is made."""

    def __init__(self, stages: Stages) -> None:
        self.recipe = stages.recipe
        self.space = stages.space

    def _checkpoint(self) -> str:
        return sha256_file(self.space.train / "checkpoints" / "best.safetensors")

    def train_inputs(self) -> Any:
        recipe = self.recipe
        # weights that are kept stand for the training that made them
        mode = "full" if recipe.train.mode == "skip" else recipe.train.mode
        settings = recipe.train.model_copy(update={"mode": mode})
        sections = [part.model_dump() for part in (recipe.preprocess, recipe.model, settings)]
        inputs = [sha256_file(self.space.catalog), sha256_file(self.space.split), recipe.seed, sections]
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
        predictions, evaluation = sha256_file(self.space.predictions), sha256_file(self.space.evaluation)
        return [self._checkpoint(), predictions, evaluation, self.recipe.explain.model_dump()]

    def explain(self, resume: bool) -> None:
        from colles.flow.explain_stage import explain_run

        remove(self.space.explain)
        explain_run(self.space, self.recipe.explain)

    def export_inputs(self) -> Any:
        return [self._checkpoint(), sha256_file(self.space.evaluation), self.recipe.export.model_dump()]

    def export(self, resume: bool) -> None:
        from colles.datasets.catalog import Catalog
        from colles.datasets.split import Split
        from colles.evaluation.evaluate import Evaluation
        from colles.learning.export import export_bundle

        evaluation = Evaluation.load(self.space.evaluation)
        catalog = Catalog.load(self.space.catalog)
        remove(self.space.bundle)
        export_bundle(
            self.space.train,
            self.space.bundle,
            evaluation=evaluation,
            catalog=catalog,
            recipe=self.recipe.export,
            split=Split.load(self.space.split),
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
