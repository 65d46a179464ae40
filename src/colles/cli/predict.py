"""`colles predict`: a bundle's answers on images, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from colles.cli.options import AsJson, BundleName, Gate, Overwrite, Precision, example, print_json
from colles.core.errors import MissingInputError, UsageError

if TYPE_CHECKING:
    from colles.serving.bundle import Bundle
    from colles.serving.inputs import ImageList
    from colles.serving.output import Tally
    from colles.serving.studies import StudyTally
    from colles.serving.study_ids import StudyIds


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "predict",
        epilog=example(
            "colles predict image.jpg --out predictions.csv",
            "colles predict image.jpg --bundle out/demo/bundle --out predictions.csv",
            "colles predict folder/ study.zip 'more/*.png' --bundle mine --out predictions.parquet --overlays maps",
            "colles predict visits/ --bundle mine --out images.csv --studies studies.csv --study-by folder",
            "find /archive -name '*.dcm' -print0 | colles predict - --bundle mine --out predictions.jsonl --resume",
        ),
    )(predict)


def predict(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Files, folders, zip files or patterns; - for a list on standard input."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Table to write: .csv, .parquet, .jsonl or .json (these two with boxes).")],
    bundle: BundleName = None,
    overlays: Annotated[
        Path | None, typer.Option(help="Folder for heat maps over the images, apart from these.")
    ] = None,
    batch: Annotated[
        str, typer.Option(help="Images that a thread takes at once: a number, or auto, which tries.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Computing threads of the local engine; one a core by default.")
    ] = None,
    precision: Precision = "fp32",
    gate: Gate = True,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="ray shares the images out over the cluster of RAY_ADDRESS.")
    ] = "local",
    studies: Annotated[
        Path | None,
        typer.Option(help="Table to write at the end, a row a study: for bundles with thresholds for studies."),
    ] = None,
    study_by: Annotated[
        str, typer.Option(metavar="WAY", help="dicom (the header), folder, or a table of path and study_id.")
    ] = "dicom",
    salt: Annotated[
        Path | None, typer.Option(help="File of the secret that names DICOM studies; made beside the table.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the answers that the table already holds.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Judge images, a row each in input order. An unreadable file is a row too."""
    from colles.core.files import refuse_existing
    from colles.serving.bundle import load_bundle
    from colles.serving.inputs import say_unopened
    from colles.serving.predict import predict_to_table, predict_to_table_with_ray, prepare_output
    from colles.serving.predictor import Predictor, answers_as

    size = _batch(batch)
    if engine == "ray":
        _refuse_with_ray(overlays, threads)
    if overlays is not None and not (resume or overwrite):
        refuse_existing(overlays, "Choose another --overlays, or add --overwrite")
    if studies is not None and studies.resolve() == out.resolve():
        raise UsageError("is the table of the images too", path=studies, field="--studies", repair="Choose another one")
    loaded = load_bundle(bundle)
    ids = None if studies is None else _study_ids(loaded, studies, study_by, salt, again=resume or overwrite)
    named = answers_as(loaded, precision)
    answered = prepare_output(out, named, resume=resume, overwrite=overwrite, gate=gate)
    found = _find(images)
    shared: dict[str, Any] = {"answered": answered, "batch": size}
    if engine == "ray":
        tally = predict_to_table_with_ray(loaded, found, out, gate=gate, precision=precision, **shared)
    else:
        predictor = Predictor(loaded, threads=threads, gate=gate, precision=precision)
        on_header = None if ids is None else ids.on_header
        tally = predict_to_table(predictor, found, out, overlays=overlays, on_header=on_header, **shared)
    tables: list[tuple[Path, Tally | StudyTally]] = [(out, tally)]
    if studies is not None and ids is not None and not tally.interrupted:
        from colles.serving.studies import write_studies

        tables.append((studies, write_studies(found, out, ids, loaded, studies)))
    _tell(loaded, named, tables, overlays, as_json)
    if not tally.interrupted:
        say_unopened(found)
    _end(tally, out)


def _find(images: list[str]) -> ImageList:
    from colles.serving.inputs import find_images

    found = find_images(images)
    if next(iter(found), None) is None:
        raise MissingInputError("no image was named", field="PATH", repair="The list on standard input is empty")
    return found


def _refuse_with_ray(overlays: Path | None, threads: int | None) -> None:
    if overlays is not None:
        raise UsageError("the ray engine draws none", field="--overlays", repair="Leave out --engine ray")
    if threads is not None:
        text = "the ray engine takes every core of its cluster"
        raise UsageError(text, field="--threads", repair="Leave out --threads, or --engine ray")


def _tell(
    loaded: Bundle, named: str, tables: list[tuple[Path, Tally | StudyTally]], overlays: Path | None, as_json: bool
) -> None:
    (out, tally), *studies = tables
    doubtful = _doubt(loaded)
    if doubtful:
        typer.echo(f"{loaded.name}: {doubtful}", err=True)
    if not as_json:
        drawn = [] if overlays is None or not tally.counts["ok"] else [f"pictures in {overlays}"]
        typer.echo("\n".join([*(f"{counted}; table in {table}" for table, counted in tables), *drawn]))
        return
    told = {"table": str(out), "bundle": named, **vars(tally)}
    for table, written in studies:
        told["studies"] = {"table": str(table), **vars(written)}
    print_json(told)


def _doubt(bundle: Bundle) -> str | None:
    from colles.core.records import Estimate, doubt

    auroc = ((bundle.metadata.evaluation or {}).get("figures") or {}).get("auroc")
    return None if auroc is None else doubt(Estimate.model_validate(auroc))


def _end(tally: Tally, out: Path) -> None:
    if tally.interrupted:
        typer.echo("interrupted: add --resume to go on from there", err=True)
        raise typer.Exit(130)
    if not tally.counts["ok"] and not tally.counts["refused"]:
        raise MissingInputError("nothing could be read", path=out, repair="The reasons are in the table")


def _study_ids(bundle: Bundle, studies: Path, by: str, salt: Path | None, *, again: bool) -> StudyIds:
    from colles.core.files import refuse_existing
    from colles.serving.output import assert_writable
    from colles.serving.studies import study_settings
    from colles.serving.study_ids import study_ids

    settings = study_settings(bundle)
    assert_writable(studies)
    if not again:
        refuse_existing(studies, "Choose another --studies, or add --overwrite")
    return study_ids(by, settings, salt or studies.with_suffix(".salt"))


def _batch(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if text.isdecimal() and 1 <= int(text) <= 256:
        return int(text)
    raise UsageError(f"{text!r} is no number from 1 to 256", field="--batch", repair="Give one, or auto")
