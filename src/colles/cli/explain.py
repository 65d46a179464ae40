"""`colles explain`: heat maps over radiographs, and what they are worth."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from colles.cli.interrupted import Interrupted
from colles.cli.options import AsJson, Overwrite, example, print_json, printable

if TYPE_CHECKING:
    from colles.core.recipe import ExplainRecipe
    from colles.flow.agreement import Twin
    from colles.flow.pictures import Entry, Look
    from colles.serving.maps import MapSource

_METHODS = (
    "auto (default: the model's own location map where it has one, else Grad-CAM), location, cam, gradcam, gradcam++, "
    "layercam, input_gradient, smoothgrad, integrated_gradients, occlusion, scorecam; METHOD@LAYER looks at another "
    "layer. May be repeated."
)


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "explain",
        epilog=example(
            "colles explain out/demo/bundle image.jpg --out maps",
            "colles explain out/demo/train folder --method gradcam --method occlusion --out maps",
            "colles explain out/demo/train folder --method gradcam --method occlusion --out maps --resume",
            "colles explain out/demo --scores test --method auto --method gradcam++ --out judged",
            "colles explain out/demo --scores test --against out/seed1 --against out/shuffled --out compared",
        ),
    )(explain)


def explain(
    model: Annotated[
        Path, typer.Argument(metavar="BUNDLE_OR_RUN", help="Bundle or run folder, or the name of a bundle.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for overlays, maps, explanations.json and scores.json.")],
    images: Annotated[list[str] | None, typer.Argument(metavar="PATH...", help="Files, folders or patterns.")] = None,
    method: Annotated[list[str] | None, typer.Option(help=_METHODS)] = None,
    target: Annotated[str, typer.Option(help="fracture, or no_fracture: what speaks against one.")] = "fracture",
    catalog: Annotated[
        Path | None, typer.Option(help="Boxes and labels of the images: boxes are drawn, and maps judged against them.")
    ] = None,
    scores: Annotated[
        str | None, typer.Option(metavar="SUBSET", help="Judge the maps on a run's val, test or external.")
    ] = None,
    split: Annotated[Path | None, typer.Option(help="Table of image_id, group_id, subset for --scores.")] = None,
    checks: Annotated[bool, typer.Option(help="With --scores: sanity checks and shortcut probes.")] = True,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN",
            help="With --scores: another training to compare maps with, such as another seed's "
            "or one with train.random_labels=true. May be repeated.",
        ),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="Images that slow methods see, drawn by seed.")] = 50,
    limit: Annotated[int, typer.Option(min=1, help="With --scores: images of each label at most.")] = 400,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the samples.")] = 0,
    opacity: Annotated[float, typer.Option(min=0, max=1, help="Of the hottest place.")] = 0.6,
    contour: Annotated[float, typer.Option(min=0, max=0.99, help="Share of the heat inside the line; 0: none.")] = 0.5,
    maps: Annotated[str, typer.Option(help="full: .npy of the image's shape; native: the cells; none.")] = "full",
    overlays: Annotated[bool, typer.Option(help="Write pictures.")] = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after an interrupt; the pictures that are there stay.")
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Show where a model looks. Maps are judged against reference boxes and against chance."""
    from colles.core.errors import MissingInputError

    _check(images, scores, maps, {"--against": against, "--split": split})
    judge = catalog is not None and scores is None
    _check_out(out, resume, overwrite, resumable=bool(images) and not judge)
    from colles.flow.agreement import open_twin
    from colles.flow.explain import open_maps
    from colles.flow.pictures import Look

    source = open_maps(model, method or ["auto"], target)
    recipe = _recipe(method, limit, sample, seed, checks)
    entries: list[Entry] = []
    judged = None
    if overwrite and scores is None and not judge:
        _remove_scores(out)
    if images:
        look = Look(opacity=opacity, contour=contour or None, maps=maps, overlays=overlays)  # type: ignore[arg-type]
        entries, judged = _explain(source, model, images, out, look, catalog, recipe, judge=judge, resume=resume)
    if scores is not None:
        twins = [open_twin(folder, recipe.methods, target) for folder in against or []]
        try:
            judged = _judge(source, model, out, catalog, split, scores, recipe, twins)
        except KeyboardInterrupt as error:
            if not images:
                raise  # nothing was written
            raise Interrupted(
                "the heat maps are complete; for the figures name --scores alone and another --out"
            ) from error
    for note in source.notes if as_json or judged is None else ():  # the table of figures is followed by them
        typer.echo(note, err=True)
    if as_json:
        print_json(entries if scores is None else judged)
    else:
        _report(source, entries, judged, out)
    if images and all(entry["error"] for entry in entries):
        raise MissingInputError("no heat map was made", path=out, repair="The reasons are in explanations.json")


def _check(images: list[str] | None, scores: str | None, maps: str, only_scores: dict[str, Any]) -> None:
    from colles.core.errors import UsageError

    if not images and scores is None:
        raise UsageError("no image named", field="PATH", repair="Name files or folders, or --scores test")
    for option, value in only_scores.items():
        if value and scores is None:
            raise UsageError("says something of --scores alone", field=option, repair="Add --scores test")
    if maps not in ("full", "native", "none"):
        raise UsageError(f"unknown form {maps!r}", field="--maps", repair="Use full, native or none")


def _check_out(out: Path, resume: bool, overwrite: bool, *, resumable: bool) -> None:
    from colles.core.errors import UsageError
    from colles.core.files import refuse_existing

    if resume and overwrite:
        raise UsageError("contradicts --overwrite", field="--resume", repair="Choose one")
    if resume and not resumable:
        text = "goes on with pictures, while figures need the maps of all images"
        raise UsageError(text, field="--resume", repair="Start over with --overwrite")
    if not resume and not overwrite:
        refuse_existing(out, "Choose another --out, add --overwrite, or --resume after an interrupt")
    if resume:
        from colles.flow.begun_maps import is_begun

        if not is_begun(out):
            refuse_existing(out, "It is complete: choose another --out, or add --overwrite")


def _remove_scores(out: Path) -> None:
    from colles.core.files import remove
    from colles.flow.explain_stage import SCORES

    remove(out / SCORES)  # of earlier maps


def _recipe(method: list[str] | None, limit: int, sample: int, seed: int, checks: bool) -> ExplainRecipe:
    from colles.core.recipe import ExplainRecipe

    without = {} if checks else {"check_images": 0, "probe_images": 0}
    methods = tuple(method or ["auto"])
    return ExplainRecipe(methods=methods, score_images=limit, sample=sample, seed=seed, **without)


def _explain(
    source: MapSource,
    model: Path,
    images: list[str],
    out: Path,
    look: Look,
    catalog: Path | None,
    recipe: ExplainRecipe,
    *,
    judge: bool,
    resume: bool,
) -> tuple[list[Entry], dict[str, Any] | None]:
    """Return a row an image and map and, where it is to `judge`, what the maps are worth by the catalog."""
    from colles.core.files import write_json
    from colles.datasets.catalog import Catalog
    from colles.flow.begun_maps import BegunMaps, begun_settings
    from colles.flow.explain_images import explain_images
    from colles.flow.explain_stage import SCORES
    from colles.flow.known import items_of_paths
    from colles.flow.localise import Judge, scores_of

    known = None if catalog is None else Catalog.load(catalog)
    items = items_of_paths(_files(images, out), known)
    sample, seed = recipe.sample, recipe.seed
    slow = ", ".join(each.name for each in source.methods if each.slow)
    if slow and len(items) > sample:
        typer.echo(f"{slow}: {sample} of {len(items)} images, drawn by seed; --sample takes more", err=True)
    judging = Judge(source, seed=seed) if judge else None
    settings = None if judge else begun_settings(model, source, items, look, sample=sample, seed=seed)
    again = "figures need the maps of all images; add --overwrite to start over"
    try:
        with nullcontext() if settings is None else BegunMaps(out, settings, resume=resume) as begun:
            entries = explain_images(
                source, items, out, style=look, judge=judging, sample=sample, seed=seed, begun=begun
            )
    except KeyboardInterrupt as error:
        raise Interrupted(again if judge else "whatever was finished is kept; add --resume to go on") from error
    if judging is None:
        return entries, None
    judged = scores_of(judging, "images")
    write_json(out / SCORES, judged)
    return entries, judged


def _files(images: list[str], out: Path) -> list[Path]:
    from colles.core.errors import MissingInputError, UsageError
    from colles.serving.apart import assert_apart
    from colles.serving.inputs import find_images, say_unopened

    found, files = find_images(images), []
    for named in found.named():
        assert_apart(out, named, field="--out")
    for image in found:
        if not isinstance(image, Path):
            repair = "Unpack it, or use colles predict --overlays"
            raise UsageError(f"{image} lies in an archive or an object store: explain reads files", repair=repair)
        files.append(image)
    if not files:
        raise MissingInputError("no image was named", field="PATH", repair="The list on standard input is empty")
    say_unopened(found)
    return files


def _judge(
    source: MapSource,
    model: Path,
    out: Path,
    catalog: Path | None,
    split: Path | None,
    subset: str,
    recipe: ExplainRecipe,
    twins: list[Twin],
) -> dict[str, Any]:
    from colles.core.files import write_json
    from colles.datasets.catalog import Catalog
    from colles.datasets.split_table import read_split_table
    from colles.flow.explain_stage import SCORES
    from colles.flow.export import find_catalog, training_of
    from colles.flow.judge_run import judge_run, subsets_of_run

    table = Catalog.load(catalog or find_catalog(training_of(model)))
    frame = read_split_table(split or subsets_of_run(model), grouped=False)
    judged = judge_run(source, table, frame, recipe, subset=subset, twins=twins)
    write_json(out / SCORES, judged)
    return judged


def _report(source: MapSource, entries: list[Entry], judged: dict[str, Any] | None, out: Path) -> None:
    from colles.flow.explain_images import mean_seconds

    if entries:
        failed = [entry for entry in entries if entry["error"]]
        for name, (count, seconds) in mean_seconds(source).items():
            typer.echo(f"{name}: {count} images, {1000 * seconds:.0f} ms each")
        for entry in failed:
            typer.echo(printable(f"{entry['path']}: {entry['error']}"), err=True)
        typer.echo(f"{len(entries) - len(failed)} heat maps in {out}; where each peaks is in {out}/explanations.json")
    if judged is not None:
        _print_scores(judged)


def _print_scores(judged: dict[str, Any]) -> None:
    from colles.cli.options import print_rows

    if not judged["n"]:
        typer.echo("none of the images has a box in the catalog, so nothing was judged")
    else:
        rows = [
            [name, "chance" if found["role"] == "chance" else f"{1000 * (found['seconds_per_image'] or 0):.0f} ms",
             *(_cell(found["figures"].get(figure)) for figure in ("pointing", "pointing_margin", "share_of_mass"))]
            for name, found in judged["methods"].items()
        ]  # fmt: skip
        print_rows(
            f"{judged['n']} fractures of {judged['subset']} with boxes",
            ["method", "an image", "peak in a box", "within 1/16", "share of mass"],
            rows,
        )
        for name, found in judged["methods"].items():
            for check in found.get("checks", {}).values():
                typer.echo(f"{'passed' if check['passed'] else 'FAILED'}  {name}: {check['sentence']}")
    for note in [*(probe["sentence"] for probe in judged["probes"]), *judged["notes"]]:
        typer.echo(note)


def _cell(figure: dict[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "–"
    between = "" if figure["low"] is None else f" ({figure['low']:.3f}–{figure['high']:.3f})"
    return f"{figure['value']:.3f}{between}"
