"""`colles dicom node` and `colles dicom status`: a storage node beside a PACS, and what lies in its spool."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colles.cli.options import AsJson, BundleName, Gate, Threads, example, print_json, print_rows
from colles.core.errors import UsageError

if TYPE_CHECKING:
    from colles.serving.dicom.node import Settings
    from colles.serving.dicom.peers import Destination

_NODE = example(
    "colles dicom node --spool /var/lib/colles --send-to PACS@127.0.0.1:4242",
    "colles dicom node --spool /var/lib/colles --bundle mine --send-to PACS@10.0.0.5:104 --from PACS --host 10.0.0.9",
)
_STATUS = example("colles dicom status --spool /var/lib/colles", "colles dicom status --spool /var/lib/colles --json")
SpoolFolder = Annotated[Path, typer.Option("--spool", metavar="DIR", help="Folder for what is received and made.")]


def register(group: typer.Typer) -> None:
    """Add the verbs to `colles dicom`."""
    group.command(epilog=_NODE)(node)
    group.command(epilog=_STATUS)(status)


def node(
    spool: SpoolFolder,
    bundle: BundleName = None,
    aet: Annotated[str, typer.Option(help="Its AE title.")] = "COLLES",
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's own only on request.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = 11112,
    send_to: Annotated[
        list[str] | None,
        typer.Option(metavar="AET@HOST:PORT", help="Where results go; several allowed. Without it they stay in DIR."),
    ] = None,
    callers: Annotated[
        list[str] | None, typer.Option("--from", metavar="AET", help="AE titles that may call; without it all.")
    ] = None,
    quiet: Annotated[
        float, typer.Option(min=0.0, help="Seconds without an image of a study after which it is judged.")
    ] = 30.0,
    keep_days: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Days that a study stays in DIR once its results are accepted: 1, or for ever "
            "where results are sent nowhere.",
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Remove nothing from DIR.")] = False,
    give_up_days: Annotated[
        float | None, typer.Option(min=0.0, help="Days after which a destination is not tried any more.")
    ] = None,
    threads: Threads = None,
    gate: Gate = True,
    capture: Annotated[bool, typer.Option(help="Send pictures beside the report.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Tell events as JSON lines on standard output.")] = False,
) -> None:
    """Receive studies by C-STORE, judge them, send the results back.

    DICOM as it is spoken here has neither passwords nor encryption: for a closed network. Ctrl-C stops it; whatever was
    received is kept, and the same command goes on with it.
    """
    from colles.core.extras import require

    require("pynetdicom", "dicom")
    require("highdicom", "dicom")
    if keep and keep_days is not None:
        raise UsageError("keeps what --keep-days removes", field="--keep", repair="Give one of the two")
    if keep_days is None and send_to and not keep:
        keep_days = 1.0
    from colles.serving.dicom.node import Settings
    from colles.serving.dicom.peers import ae_title
    from colles.serving.dicom.storage_scp import Address

    settings = Settings(
        spool=spool,
        address=Address(ae_title(aet, "--aet"), host, port, tuple(ae_title(each, "--from") for each in callers or ())),
        destinations=_destinations(send_to or (), host, port),
        quiet=quiet,
        keep_days=keep_days,
        give_up_days=give_up_days,
        capture=capture,
    )
    _run(settings, bundle, threads, gate=gate, as_json=as_json)


def _destinations(named: Iterable[str], host: str, port: int) -> tuple[Destination, ...]:
    from colles.serving.dicom.peers import Destination

    destinations = tuple(dict.fromkeys(map(Destination.parse, named)))
    for each in destinations:
        if each.is_at(host, port):
            raise UsageError(f"{each} is this node itself", field="--send-to", repair="Name the PACS that gets results")
    return destinations


def _run(settings: Settings, bundle: str | None, threads: int | None, *, gate: bool, as_json: bool) -> None:
    import signal

    from colles.core.machine import LOOPBACK
    from colles.core.stopping import StopOnSignal
    from colles.serving.bundle import load_bundle
    from colles.serving.dicom.events import Events
    from colles.serving.dicom.node import Node
    from colles.serving.predictor import Predictor

    host = settings.address.host
    if host not in LOOPBACK:
        typer.echo(
            f"listening on {host}: DICOM has neither password nor encryption here: use a closed network only",
            err=True,
        )
    predictor = Predictor(load_bundle(bundle), threads=threads, gate=gate)
    predictor.warm_up()
    running = Node(settings, predictor, Events(as_json=as_json))
    with StopOnSignal() as stop:
        running.run(lambda: stop.asked)
    if stop.number == signal.SIGINT:
        typer.echo("interrupted: whatever was received is kept; the same command goes on with it", err=True)
        raise typer.Exit(130)


def status(spool: SpoolFolder, as_json: AsJson = False) -> None:
    """Tell what is waiting, judged, sent and failed. Exit 1 where something failed or waits for over an hour."""
    from dataclasses import asdict

    from colles.serving.dicom.spool import existing_spool
    from colles.serving.dicom.status import read_status, summary

    studies = read_status(existing_spool(spool))
    counted = summary(studies)
    if as_json:
        print_json({**counted, "studies": [{**asdict(each), "late": each.is_late} for each in studies]})
    else:
        open_ones = [each for each in studies if each.stage != "done"]
        if open_ones:
            rows = [
                [each.study, str(each.objects), each.stage + (" (late)" if each.is_late else ""), each.reason or "",
                 ", ".join(f"{count} to {name}" for name, count in each.pending.items()), f"{each.seconds:.0f}"]
                for each in open_ones
            ]  # fmt: skip
            print_rows("Studies", ["study", "objects", "stage", "reason", "results to send", "seconds"], rows)
        stages = ", ".join(f"{counted[name]} {name}" for name in ("waiting", "sending", "done", "failed"))
        typer.echo(f"{len(studies)} stud{'y' if len(studies) == 1 else 'ies'}: {stages}; {counted['late']} late")
        for name, count in counted["pending"].items():
            typer.echo(f"{name}: {count} results to send")
    if counted["failed"] or counted["late"]:
        raise typer.Exit(1)
