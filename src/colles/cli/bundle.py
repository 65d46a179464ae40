"""`colles bundle`: list, fetch, look at, verify, compare and move bundles, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from colles.cli.options import AsJson, as_digest, command, example, print_json, print_rows

if TYPE_CHECKING:
    from colles.serving.bundle import Bundle
    from colles.serving.metadata import BundleMetadata

Name = Annotated[str, typer.Argument(metavar="BUNDLE", help="Bundle folder, or the name of one.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    group = typer.Typer(
        no_args_is_help=True, help="List, fetch, show, verify, compare and move bundles.", epilog=_EXAMPLES
    )
    group.command("list")(list_bundles)
    for verb in (get, show, verify, diff, push, pull):
        group.command()(verb)
    app.add_typer(group, name="bundle")


_EXAMPLES = example(
    "colles bundle list",
    "colles bundle get fracture-lite0 --from fracture-lite0.zip",
    "colles bundle show models/mine",
    "colles bundle diff models/mine models/recalibrated",
    "colles bundle push models/mine mine.zip",
    "colles bundle push models/mine upload --hub  # then: hf upload ORG/NAME upload",
    "colles bundle pull mine.zip --out models/mine",
)


def list_bundles(as_json: AsJson = False) -> None:
    """List the bundles that are here or can be fetched. Marks the default."""
    from colles.serving.known import default_bundle, known_bundles

    here, default = _here(), default_bundle()
    known = known_bundles()
    names = list(dict.fromkeys([*known, *here]))
    if as_json:
        print_json([
            {"name": name, "default": name == default, "here": here.get(name),
             "published": known[name].model_dump() if name in known else None}
            for name in names
        ])  # fmt: skip
        return
    rows = [
        [name + (" (default)" if name == default else ""), here.get(name) or f"no: colles bundle get {name}",
         *((known[name].licence, f"{known[name].title}. {known[name].terms}") if name in known else ("", ""))]
        for name in names
    ]  # fmt: skip
    print_rows("Bundles", ["name", "here", "licence", "what"], rows)


def _here() -> dict[str, str]:
    from colles.serving.bundle import bundles_here

    return {folder.name: str(folder) for folder in reversed(bundles_here())}


def get(
    name: Annotated[str, typer.Argument(help="A name of `colles bundle list`.")],
    out: Annotated[Path | None, typer.Option(help="Bundle folder to make; a folder in the cache by default.")] = None,
    origin: Annotated[
        str | None, typer.Option("--from", metavar="URL|FILE", help="Another address, or a .zip on this machine.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="Digest of the archive, in place of the registered one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a bundle by name and verify it. Shows its licence, checks its sha256, goes on after an interrupt."""
    from colles.core.progress import say
    from colles.serving.fetch import fetch_bundle
    from colles.serving.known import find_known

    known = find_known(name)
    for line in (known.title, f"Licence: {known.licence}, {known.licence_url}", known.terms):
        say(line)
    bundle = fetch_bundle(known, out, origin=origin, sha256=as_digest(sha256))
    if as_json:
        print_json({"bundle": bundle.name, "folder": str(bundle.folder)})
    else:
        answers = f"colles predict IMAGES --bundle {name} --out answers.csv"
        made = command("colles", "export", bundle.folder, "--out", name)
        whole = f"{made}   (weights alone: this makes the network that answers)"
        typer.echo(f"{bundle.name} in {bundle.folder}\nNext: {answers if bundle.has_graph else whole}")


def show(bundle: Name, as_json: AsJson = False) -> None:
    """Show what a bundle is. Tells what it was trained on, how it decides, and what is known of its worth."""
    from colles.core.errors import BundleError
    from colles.serving.bundle import load_bundle

    loaded = load_bundle(bundle, to_answer=False)
    if as_json:
        print_json(
            {"metadata": loaded.metadata.model_dump(mode="json"), "files": loaded.manifest.model_dump()["files"]}
        )
        return
    try:
        lines = _lines(loaded)
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # fields of strangers' bundles without a type
        text = f"its metadata have another form ({type(error).__name__}: {error})"
        raise BundleError(text, path=loaded.folder, repair="Use --json, or export it again") from error
    width = max(len(title) for title, _ in lines)
    for title, value in lines:
        typer.echo(f"{title:<{width}} {value}")


def verify(bundle: Name, as_json: AsJson = False) -> None:
    """Check every file of a bundle. Sha256, metadata, networks and gate; exit 2 with the reason if one is wrong."""
    from colles.serving.bundle import INT8_MODEL, load_bundle
    from colles.serving.gate import Gate
    from colles.serving.known_answer import known_score
    from colles.serving.predictor import Precision, Predictor

    loaded = load_bundle(bundle, to_answer=False)
    Gate.of(loaded)
    precisions: list[Precision] = ["fp32"] if loaded.has_graph else []
    precisions += ["int8"] if INT8_MODEL in loaded.manifest.files else []
    for precision in precisions:
        known_score(Predictor(loaded, precision=precision).session, loaded.metadata.preprocessing)
    if as_json:
        print_json({"bundle": loaded.name, "verified": True, "files": len(loaded.manifest.files)})
    else:
        networks = "its networks load" if precisions else "it holds weights alone and no network that answers"
        typer.echo(f"{loaded.name}: {len(loaded.manifest.files)} files as the manifest says; {networks}")


def diff(one: Name, other: Name, as_json: AsJson = False) -> None:
    """Show what differs between two bundles; exit 1 where anything does."""
    from dataclasses import asdict

    from colles.serving.bundle import load_bundle
    from colles.serving.difference import compare_bundles

    found = compare_bundles(load_bundle(one, to_answer=False), load_bundle(other, to_answer=False))
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        for each in found:
            typer.echo(f"{each.field}: {each.one} → {each.other}")
        if not found:
            typer.echo("no difference")
    if found:
        raise typer.Exit(1)


def push(
    bundle: Name,
    target: Annotated[Path, typer.Argument(help="Folder to make, or a .zip file.")],
    hub: Annotated[bool, typer.Option("--hub", help="Lay it out as a repository of the Hugging Face Hub.")] = False,
) -> None:
    """Copy a bundle to a folder or a zip file. With --hub in the layout of the Hugging Face Hub."""
    from colles.serving.bundle import load_bundle
    from colles.serving.transport import push_bundle

    made = push_bundle(load_bundle(bundle, to_answer=False), target, hub=hub)
    typer.echo(f"{made}" + (f". Next: {command('hf', 'upload', 'ORG/NAME', made)}" if hub else ""))


def pull(
    source: Annotated[Path, typer.Argument(help="Folder, zip file, or downloaded repository of the Hub.")],
    out: Annotated[Path, typer.Option(help="Bundle folder to make.")],
) -> None:
    """Copy a bundle from somewhere. It is verified before it gets its name."""
    from colles.serving.transport import pull_bundle

    typer.echo(f"{pull_bundle(source, out).name} in {out}")


def _lines(bundle: Bundle) -> list[tuple[str, Any]]:
    told, files = bundle.metadata, bundle.manifest.files
    rows: list[tuple[str, Any]] = [
        ("bundle", bundle.name),
        ("network", f"{told.model.get('name')}, {told.model.get('parameters')} parameters"),
        ("input", f"{told.preprocessing.size} px, {told.preprocessing.fit}, {told.preprocessing.channels} channels"),
        ("started from", told.training.get("weights_from", "not recorded")),
        ("data", "; ".join(_source(each) for each in told.training.get("sources", [])) or "not recorded"),
    ]
    rows += [
        (f"  {name}", f"score ≥ {point.threshold:.4f} ({point.criterion}, on {point.chosen_on})")
        for name, point in told.operating_points.items()
    ]
    rows.append(("decides by", _decides_by(told)))
    rows.append(("calibration", told.calibration.method if told.calibration else "none"))
    rows.append(("studies", _studies(told)))
    rows += _figures(told.evaluation or {})
    if told.external:
        rows.append((told.external["subset"], f"{told.external['n']:,} images of a set that it never saw"))
        rows += _figures(told.external)
    rows.append(("gate", _gate(told)))
    rows.append(("int8", _int8(told.int8)))
    rows.append(("parity", ", ".join(f"{key} {value}" for key, value in told.parity.items()) or "not measured"))
    rows += [(f"  {name}", f"{entry.bytes:>11,} bytes  {entry.sha256[:12]}") for name, entry in files.items()]
    why = "this copy predicts, and needs no more" if bundle.has_graph else "colles export makes it from the weights"
    rows += [("left out", f"{name}: {why}") for name in bundle.manifest.left_out]
    return rows


def _source(counts: dict[str, Any]) -> str:
    # `images` counts all subsets; bundles of earlier versions say no more than that.
    trained = f", {counts['train']} of them for training" if "train" in counts else " in train, val and test together"
    return f"{counts['images']} images of {counts['name']}{trained}"


def _figures(evaluation: dict[str, Any]) -> list[tuple[str, Any]]:
    from colles.core.records import Estimate

    found, wanted = evaluation.get("figures", {}), ("auroc", "average_precision", "brier", "ece")
    told = {name: Estimate.model_validate(found[name]) for name in wanted if name in found}
    return [(f"{evaluation['subset']} {name}", str(figure)) for name, figure in told.items()]


def _decides_by(told: BundleMetadata) -> str:
    from colles.core.errors import BundleError
    from colles.serving.decision import DecisionRule

    try:
        one, other = DecisionRule.from_operating_points(told.operating_points).points
    except BundleError as error:
        return error.message
    return f"{one} and {other}" if one != other else f"{one} alone: nothing is left undecided"


def _studies(told: BundleMetadata) -> str:
    if told.study is None:
        return "none: it judges images alone, and colles predict --studies refuses it"
    points = ", ".join(f"{name} ≥ {point.threshold:.4f}" for name, point in told.study.operating_points.items())
    return f"a {told.study.unit} by the {told.study.aggregation} of its images' scores, {points}"


def _gate(told: BundleMetadata) -> str:
    if told.gate is None:
        return "none: whatever can be read is judged"
    return f"limit {told.gate.limit}, from {told.gate.trained_on} images; refuses {told.gate.false_refusals:.1%} of val"


def _int8(told: dict[str, Any] | None) -> str:
    if told is None:
        return "not tried"
    if not told["kept"]:
        return f"left out: {told['reason']}"
    areas = f"AUROC on {told.get('subset', 'val')} {told['auroc_int8']:.4f} (fp32 {told['auroc_fp32']:.4f})"
    return f"{areas}, {told['flipped']:.2%} of the decisions differ"
