"""`colles serve`: a bundle behind a web page and an API."""

from __future__ import annotations

from typing import Annotated

import typer

from colles.cli.options import BundleName, Gate, Precision, Threads, example
from colles.core.extras import require

_OPEN = (
    "warning: other machines reach this address. There is no password and no encryption: put a reverse proxy with both "
    "before it, and give it the name that people use by --allow-host"
)


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(
        "serve",
        epilog=example(
            "colles serve  # then open http://127.0.0.1:8000",
            "colles serve --bundle out/demo/bundle --port 8080 --threads 4",
            "colles serve --allow-host colles.example  # behind a reverse proxy of that name",
            "curl --data-binary @wrist.jpg http://127.0.0.1:8000/api/predict",
        ),
    )(serve)


def serve(
    bundle: BundleName = None,
    host: Annotated[str, typer.Option(help="Address to listen on; this machine alone unless another is named.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further name by which it is asked; may be repeated.")
    ] = None,
    threads: Threads = None,
    precision: Precision = "fp32",
    gate: Gate = True,
) -> None:
    """Answer in the browser and over HTTP.

    A file a request, until Ctrl-C. Nothing is written; no log names a file.
    """
    for module in ("fastapi", "uvicorn"):
        require(module, "serve")
    from colles.serving.bundle import load_bundle
    from colles.serving.http.app import create_service
    from colles.serving.http.server import address_of, is_loopback, listen
    from colles.serving.http.server import serve as answer
    from colles.serving.predictor import Predictor

    predictor = Predictor(load_bundle(bundle), threads=threads, gate=gate, precision=precision)
    predictor.warm_up()
    service = create_service(predictor, hosts=allow_host or (), address=host)
    listening = listen(host, port)
    if not is_loopback(listening):
        typer.echo(_OPEN, err=True)
    told = f"{predictor.judge.name} answers at {address_of(host, listening)}     (Ctrl-C ends it)"
    if not answer(service, listening, lambda: typer.echo(told)):
        typer.echo("ended before everything was answered", err=True)
        raise typer.Exit(130)
