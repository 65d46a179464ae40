"""The program `colles`: its verbs, and how errors become one line and an exit code.

Exit codes: 0 done, 1 a check failed, 2 bad usage or input, 70 a defect of colles, 130 interrupted,
141 nobody reads on (`colles ... | head`).
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from colles import __version__
from colles.cli import (
    audit,
    bundle,
    catalog,
    compare,
    data,
    dicom,
    doctor,
    evaluate,
    explain,
    export,
    init,
    organize,
    phantom,
    predict,
    recalibrate,
    report,
    run,
    serve,
    split,
    sweep,
    train,
)
from colles.cli.interrupted import Interrupted, Unread
from colles.cli.options import printable
from colles.core.errors import CollesError

_INTERRUPTED, _UNREAD, _GRACE = 130, 141, 5.0  # exit codes, those of SIGINT and SIGPIPE in a shell; seconds
_BY_RESUME = "train", "sweep", "predict"
# verbs that write what they made when all of it is there
_AT_ONCE = "phantom", "catalog", "audit", "evaluate", "compare", "explain", "export", "recalibrate"


class _Program(TyperGroup):
    def make_context(self, *arguments: Any, **named: Any) -> Any:
        """Read the command line; its own `--help` and `--version` are answered here."""
        try:
            return super().make_context(*arguments, **named)
        except BrokenPipeError as error:
            raise Unread from error

    def invoke(self, ctx: Any) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            if ctx.invoked_subcommand in _AT_ONCE:
                raise Interrupted("no result was written; the same command starts over") from error
            again = "add --resume to go on" if ctx.invoked_subcommand in _BY_RESUME else "give the same command again"
            raise Interrupted(f"whatever was finished is kept; {again}") from error
        except BrokenPipeError as error:
            raise Unread from error


app = typer.Typer(
    name="colles",
    cls=_Program,
    help="Find fractures on radiographs, and say honestly how well.",
    epilog="Start here: colles run recipes/demo.yaml --out out/demo",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich alone takes 0.2 s to load, and its help says no more
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for verb in (
    run,
    init,
    data,
    phantom,
    catalog,
    audit,
    split,
    organize,
    train,
    sweep,
    evaluate,
    compare,
    explain,
    report,
    export,
    predict,
    serve,
    bundle,
    recalibrate,
    dicom,
    doctor,
):
    verb.register(app)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"colles {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the program and end the process with its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")  # a terminal without dashes and arrows shows ? in place of a defect
    try:
        _run()
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            _leave_threads()
        raise


def _leave_threads() -> None:
    """Give what threads do a moment, then end the process: Python would wait for each, for some files minutes."""
    until = time.monotonic() + _GRACE
    others = [each for each in threading.enumerate() if not each.daemon and each is not threading.main_thread()]
    try:
        for thread in others:
            thread.join(max(0.0, until - time.monotonic()))
    except KeyboardInterrupt:
        pass
    if any(thread.is_alive() for thread in others):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_INTERRUPTED)


def _run() -> None:
    # On damaged metadata of a picture and on large ones: they name no file, and the row of the table says what was not
    # read. The limit of pixels is our own.
    warnings.filterwarnings("ignore", category=Warning, module=r"PIL\b")
    try:
        app()
    except CollesError as error:
        _end(f"error: {error}", error.exit_code)
    except (KeyboardInterrupt, Interrupted) as error:
        _end(f"interrupted: {error}" if str(error) else "interrupted", _INTERRUPTED)
    except (BrokenPipeError, Unread):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_UNREAD)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _end(f"error: {where}{error.strerror or error}. Check the path and its permissions", 2)
    except Exception as error:
        if os.environ.get("COLLES_DEBUG"):
            raise
        line = str(error).splitlines()[0] if str(error) else ""
        _end(f"defect: {type(error).__name__}: {line}. COLLES_DEBUG=1 shows where; please report it", 70)


def _end(message: str, code: int) -> None:
    print(printable(" ".join(message.split())), file=sys.stderr)
    sys.exit(code)
