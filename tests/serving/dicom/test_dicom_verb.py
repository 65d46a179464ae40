"""The verbs `colles dicom node` and `colles dicom status`, as a system service runs them."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from node_process import process
from node_tools import LONG, STUDY, associated, pacs, radiograph, send
from typer.testing import CliRunner

from colles.cli import dicom_node
from colles.cli.app import app
from colles.core.errors import CollesError
from colles.serving.dicom.spool import Spool


def status(spool: Path) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the answer of `colles dicom status`."""
    result = CliRunner().invoke(app, ["dicom", "status", "--spool", str(spool), "--json"])
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.slow
def test_it_runs_as_a_service(drawn_bundle: Path, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    with pacs() as there:
        options = ("--spool", spool, "--bundle", drawn_bundle, "--port", 0, "--quiet", 0.2, "--no-gate", "--threads", 1)
        with process(*options, "--send-to", there.destination) as node:
            port = node.wait("listening")["port"]
            with associated(port, "1.2.840.10008.1.1", syntaxes=["1.2.840.10008.1.2"]) as association:
                assert association.send_c_echo().Status == 0
            assert send(port, radiograph()) == [0]
            node.wait("sent")
            assert node.end(signal.SIGTERM) == (0, "")
        assert [each["event"] for each in node.events] == [
            "listening", "received", "judged", "sent", "stopping", "stopped"
        ]  # fmt: skip
        assert len(there.received) == 2
        code, found = status(spool)
        assert (code, found["done"], found["pending"]) == (0, 1, {})
        with process(*options, "--no-capture") as node:
            node.wait("listening")
            with process(*options) as second:
                second.popen.wait(LONG)
                assert second.popen.returncode == 2 and second.popen.stderr is not None
                told = second.popen.stderr.read()
                assert "another node is running here" in told and told.count("\n") == 1
            code, told = node.end(signal.SIGINT)
            assert code == 130 and told.startswith("interrupted: whatever was received is kept")
    assert "Doe" not in str(node.events) and STUDY not in str(node.events)


def fails(*arguments: object) -> str:
    """Run the verb in this process; return the one line of its error, which must exit with 2."""
    result = CliRunner().invoke(app, ["dicom", "node", *map(str, arguments)])
    assert isinstance(result.exception, CollesError), (result.output, result.exception)
    assert result.exception.exit_code == 2 and "\n" not in str(result.exception)
    return str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--aet", ""), "--aet: '' is no AE title"),
        (("--aet", "A" * 17), "--aet: "),
        (("--aet", "A\\B"), "1 to 16 plain characters"),
        (("--from", "Ärzte"), "--from: "),
        (("--send-to", "PACS"), "--send-to: 'PACS' is no destination. Write it like PACS@127.0.0.1:104"),
        (("--send-to", "PACS@host:0"), "--send-to: "),
        (("--send-to", "PACS@host:99999"), "--send-to: "),
        (("--send-to", "COLLES@localhost:11112"), "--send-to: COLLES@localhost:11112 is this node itself"),
        (("--send-to", "X@10.9.9.9:104", "--host", "10.9.9.9", "--port", 104), "is this node itself"),
        (("--send-to", "X@127.0.0.1:104", "--host", "0.0.0.0", "--port", 104), "is this node itself"),
        (("--send-to", "@host:104"), "is no AE title"),
        (("--keep", "--keep-days", 3), "--keep: keeps what --keep-days removes"),
        (("--bundle", "no-such-bundle"), "no-such-bundle"),
    ],
)
def test_bad_arguments_are_one_line(tmp_path: Path, arguments: tuple[object, ...], told: str) -> None:
    assert told in fails("--spool", tmp_path / "spool", *arguments)
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize(
    ("arguments", "days"),
    [
        ((), None),
        (("--send-to", "PACS@h:104"), 1.0),
        (("--send-to", "PACS@h:104", "--keep"), None),
        (("--send-to", "PACS@h:104", "--keep-days", "0"), 0.0),
        (("--keep-days", "7"), 7.0),
    ],
)
def test_how_long_a_study_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], days: float | None
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(dicom_node, "_run", lambda settings, *_, **__: seen.append(settings.keep_days))
    assert CliRunner().invoke(app, ["dicom", "node", "--spool", str(tmp_path), *arguments]).exit_code == 0
    assert seen == [days]


def test_a_busy_port_is_one_line(drawn_bundle: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        told = fails("--spool", tmp_path / "spool", "--bundle", drawn_bundle, "--port", port, "--no-gate")
    assert f"--port: cannot listen on 127.0.0.1, port {port}" in told


def test_a_spool_that_cannot_be_made_is_one_line(drawn_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    result = CliRunner().invoke(
        app, ["dicom", "node", "--spool", str(tmp_path / "file"), "--bundle", str(drawn_bundle), "--no-gate"]
    )
    assert isinstance(result.exception, FileExistsError) and result.exception.filename == str(tmp_path / "file")


def test_other_hosts_are_warned_of(drawn_bundle: Path, tmp_path: Path) -> None:
    arguments = ["--spool", str(tmp_path / "s"), "--bundle", str(drawn_bundle), "--host", "host.invalid", "--no-gate"]
    result = CliRunner().invoke(app, ["dicom", "node", *arguments])
    assert "neither password nor encryption here" in result.stderr and isinstance(result.exception, CollesError)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynetdicom", None)
    assert fails("--spool", tmp_path / "s").endswith("pip install 'colles[dicom]'")


def test_status_in_words(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    (tmp_path / "spool" / "node.json").write_text('{"destinations": ["PACS@h:104"]}')
    done, waiting, sending = (spool.store(f"1.2.{number}", "1.2", [b"x"]).study for number in range(3))
    for study in (done, sending):
        spool.save_results(study, spool.objects(study), [("1.9", b"x")])
    spool.mark_sent(done, "PACS@h:104", spool.state(done).results[0])
    result = CliRunner().invoke(app, ["dicom", "status", "--spool", str(spool.root)])
    assert result.exit_code == 0 and done not in result.stdout
    assert waiting in result.stdout and "1 to PACS@h:104" in result.stdout
    assert "3 studies: 1 waiting, 1 sending, 1 done, 0 failed; 0 late" in result.stdout
    assert "PACS@h:104: 1 results to send" in result.stdout
    spool.update(sending, judged=time.time() - 4000)
    code, found = status(spool.root)
    assert code == 1 and [each["study"] for each in found["studies"] if each["late"]] == [sending]
    spool.update(sending, judged=time.time())
    spool.set_aside(waiting, spool.objects(waiting), "KeyError", retried=False)
    code, found = status(spool.root)
    assert code == 1 and (found["failed"], found["late"], found["waiting"]) == (1, 0, 0)


def test_every_event_is_documented() -> None:
    root = Path(__file__).parents[3]
    code = "".join(path.read_text() for path in (root / "src/colles/serving/dicom").glob("*.py"))
    told = set(re.findall(r'\.tell\(\s*"(\w+)"', code))
    page = (root / "docs/artefacts.md").read_text()
    assert len(told) > 10 and not [event for event in told if f"`{event}`" not in page.split("line an event")[1]]


def test_status_of_no_spool_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["dicom", "status", "--spool", str(tmp_path)])
    assert isinstance(result.exception, CollesError) and "no spool of a node" in str(result.exception)
