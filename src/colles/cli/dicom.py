"""`colles dicom`: answers in the form that a PACS keeps, from files or as a node beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colles.cli import dicom_node
from colles.cli.options import AsJson, BundleName, Gate, Overwrite, example, print_json, printable
from colles.core.errors import MissingInputError

if TYPE_CHECKING:
    from colles.serving.dicom.folder import Filed, Studies

_TOLD = 10  # reasons of files, each of those that were left out and not judged


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    group = typer.Typer(no_args_is_help=True, help="Answers as DICOM objects, beside a PACS.")
    group.command(
        epilog=example(
            "colles dicom results study/ --out results",
            "colles dicom results export.zip more/*.dcm --bundle mine --out results --json",
        )
    )(results)
    dicom_node.register(group)
    app.add_typer(group, name="dicom")


def results(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="DICOM files, folders, zip files or patterns; - for a list on standard input."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to make, with a folder a study; apart from the images.")],
    bundle: BundleName = None,
    gate: Gate = True,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write the answers as DICOM: a report a study, a picture an image."""
    from colles.core.extras import require
    from colles.serving.bundle import load_bundle
    from colles.serving.inputs import find_images
    from colles.serving.predictor import Predictor

    require("highdicom", "dicom")
    from colles.serving.dicom.folder import assert_free, file_studies, find_studies

    predictor = Predictor(load_bundle(bundle), gate=gate)
    found = find_images(images)
    assert_free(out, found, overwrite=overwrite)
    studies = find_studies(found)
    filed: list[Filed] = []
    try:
        for each in file_studies(studies, predictor, out, overwrite=overwrite):
            filed.append(each)
    except KeyboardInterrupt:
        typer.echo(f"interrupted: {len(filed)} studies are written; add --overwrite to start again", err=True)
        raise typer.Exit(130) from None
    _tell(filed, studies, out, predictor.bundle.name, as_json)
    if not any(each.counts["ok"] + each.counts["refused"] for each in filed):
        raise MissingInputError("nothing could be read", path=images[0], repair="The reasons are listed above")


def _tell(filed: list[Filed], studies: Studies, out: Path, bundle: str, as_json: bool) -> None:
    counts = {name: sum(each.counts[name] for each in filed) for name in ("ok", "refused", "unreadable")}
    not_judged = {path: reason for each in filed for path, reason in each.not_judged.items()}
    if as_json:
        reasons = {"not_judged": _rows(not_judged), "left_out": _rows(studies.left_out)}
        made = [
            {"folder": str(out / each.folder), "files": each.files, "counts": each.counts, "decision": each.decision}
            for each in filed
        ]
        print_json({"out": str(out), "bundle": bundle, "counts": counts, "studies": made, **reasons})
        return
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
    total = sum(counts.values())
    typer.echo(
        f"{len(filed)} {'study' if len(filed) == 1 else 'studies'} of {total} image{'' if total == 1 else 's'}: {told}"
        f"; results in {out}"
    )
    _tell_reasons("not judged", not_judged)
    _tell_reasons("left out", studies.left_out)


def _rows(reasons: dict[str, str]) -> list[dict[str, str]]:
    return [{"path": path, "reason": reason} for path, reason in reasons.items()]


def _tell_reasons(what: str, reasons: dict[str, str]) -> None:
    for path, reason in list(reasons.items())[:_TOLD]:
        typer.echo(printable(f"{what}: {path}: {reason}"), err=True)
    if len(reasons) > _TOLD:
        typer.echo(f"{what}: {len(reasons) - _TOLD} more; --json lists them", err=True)
