"""`colles serve` as a user starts and ends it: an address, a warning where it is due, one line where it cannot."""

from __future__ import annotations

import errno
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import httpx
import pytest
from typer.testing import CliRunner

from colles.cli.app import app
from colles.core.errors import CollesError
from colles.core.limits import MAX_BYTES
from program import program

pytest.importorskip("uvicorn", reason="the server comes with colles[serve]")
ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "models" / "fracture-fracatlas"


def fails(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["serve", *map(str, arguments)])
    assert isinstance(result.exception, CollesError) and result.exception.exit_code == 2, result.output
    return str(result.exception)


def png() -> bytes:
    import numpy as np
    from PIL import Image

    from pictures import picture_bytes

    return picture_bytes(Image.fromarray(np.indices((300, 400)).sum(0).clip(0, 255).astype(np.uint8)), "PNG")


@pytest.mark.parametrize("missing", ["fastapi", "uvicorn"])
def test_without_the_extra_it_says_which_one_is_missing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert fails() == f"this needs {missing}, which is not installed. pip install 'colles[serve]'"


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    assert "no such bundle" in fails("--bundle", tmp_path / "nowhere")


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = fails("--bundle", BUNDLE, "--port", port)
    assert told == f"--port: port {port} of 127.0.0.1 is taken. Choose another; 0 takes a free one"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "", "256.1.1.1", "192.0.2.1", "two words"])
def test_a_host_that_is_none_of_this_machine(host: str) -> None:
    told = fails("--bundle", BUNDLE, "--port", "0", "--host", host)
    assert told.startswith("--host: ") and told.endswith("Leave it out, or name an address of this machine")


def test_a_kind_of_address_that_the_machine_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without IPv6 in the kernel, --host ::1 was a defect of colles."""

    def none(*_: object) -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", none)
    told = fails("--bundle", BUNDLE, "--port", "0", "--host", "::1")
    assert told.startswith("--host: cannot listen on ::1 (Address family not supported by protocol)")


@pytest.mark.slow
def test_an_error_is_one_line_and_ends_with_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "colles", "serve", "--bundle", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


def test_help_needs_no_server() -> None:
    code = (
        "import sys; sys.argv = ['colles', 'serve', '--help']; from colles.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'fastapi', 'uvicorn', 'starlette', 'numpy'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "--allow-host" in done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_request_under_way_is_answered_before_it_ends(how: signal.Signals) -> None:
    data = png()
    with program("--bundle", BUNDLE, "--no-gate", "--threads", "1") as server:
        assert server.address.startswith("http://127.0.0.1:")
        idle = httpx.Client(base_url=server.address)  # a line that is kept open holds up nothing
        assert idle.get("/api/ready").status_code == 200
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
            head = f"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
            line.sendall(head.encode() + data[:100])
            _until_held(idle)
            server.process.send_signal(how)
            time.sleep(0.5)
            line.sendall(data[100:])
            answer = line.makefile("rb").read()
        assert server.process.wait(60) == 0
        idle.close()
    headers, _, body = answer.partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 200")
    assert json.loads(body)["status"] == "ok"
    assert all("Traceback" not in line and "rror" not in line for line in server.said), server.said
    assert server.said[-1].split()[1:4] == ["POST", "/api/predict", "200"]


def _until_held(client: httpx.Client) -> None:
    for _ in range(200):
        if "colles_requests_held 1" in client.get("/metrics").text:
            return
        time.sleep(0.05)
    pytest.fail("the request never arrived")


@pytest.mark.slow
def test_a_second_interrupt_waits_for_nobody() -> None:
    with program("--bundle", BUNDLE) as server, socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
        with httpx.Client(base_url=server.address) as client:
            _until_held(client)
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert server.process.poll() is None
        assert server.end() == 130
    assert server.said[-1].startswith("ended before everything was answered")
    assert not any("Traceback" in line for line in server.said), server.said


@pytest.mark.slow
def test_a_request_that_never_ends_is_cut_off_and_told() -> None:
    hurry = "import colles.serving.http.server as made; made._PATIENCE = 1"
    with program("--bundle", BUNDLE, before=hurry) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
            line.sendall(b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
            with httpx.Client(base_url=server.address) as client:
                _until_held(client)
            server.process.send_signal(signal.SIGTERM)
            assert line.recv(1 << 16).startswith(b"HTTP/1.1 503")
        assert server.process.wait(60) == 130
    assert server.said[-1].startswith("ended before everything was answered")
    assert not any("Traceback" in line for line in server.said), server.said


@pytest.mark.slow
def test_hostile_lines_get_an_answer_and_the_next_one_too() -> None:
    with program("--bundle", BUNDLE) as server:
        assert b" 413 " in _raw(server.port, b"Content-Length: 99999999999999\r\n\r\n")
        endless = (b"100000\r\n" + bytes(1 << 20) + b"\r\n" for _ in range(2 * MAX_BYTES >> 20))
        assert b" 413 " in _raw(server.port, b"Transfer-Encoding: chunked\r\n\r\n", endless)
        assert b" 400 " in _raw(server.port, b"Content-Length: minus\r\n\r\n")
        assert b" 403 " in _raw(server.port, b"Content-Length: 1\r\n\r\nx", host=b"evil.example")
        assert b" 403 " in _raw(
            server.port, b"Origin: http://127.0.0.1:9\r\nContent-Length: 1\r\n\r\nx", host=b"127.0.0.1"
        )
        with httpx.Client(base_url=server.address) as client:
            # The file arrives although nobody reads it, and the line goes on.
            for _ in range(2):
                found = client.post("/api/predict", content=bytes(5_000_000), headers={"content-type": "multipart/x"})
                assert found.status_code == 415
            assert client.post("/api/predict", content=png()).status_code == 200
        assert server.end() == 0
    assert not any("Traceback" in line or "evil" in line for line in server.said), server.said


def _raw(port: int, rest: bytes, parts: object = (), host: bytes = b"localhost") -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(b"POST /api/predict HTTP/1.1\r\nHost: " + host + b"\r\n" + rest)
        try:
            for part in parts:  # type: ignore[attr-defined]
                line.sendall(part)
        except OSError:
            pass  # it hung up, as it should
        return line.recv(1 << 16).partition(b"\r\n")[0] + b" "


@pytest.mark.slow
def test_a_large_film_that_is_refused_is_told_why() -> None:
    """The line was closed while it was still being sent: a program saw a broken one, and a proxy made it 502."""
    asked = [(403, "", {"Host": "elsewhere"}), (415, "", {"Content-Type": "multipart/x"}), (422, "?x=1", {})]
    with program("--bundle", BUNDLE) as server:
        for status, query, headers in asked:
            request = Request(f"{server.address}/api/predict{query}", bytes(20_000_000), headers)
            with pytest.raises(HTTPError, match=str(status)) as caught:
                urlopen(request, timeout=60)  # which asks to close the line, and reads when all is sent
            assert set(json.load(caught.value)) == {"error", "repair"}
        assert server.end() == 0


@pytest.mark.slow
def test_a_line_that_breaks_its_own_form_is_no_defect_of_ours() -> None:
    """The log called a damaged chunk a defect, and the server beneath it complained too."""
    with program("--bundle", BUNDLE) as server:
        for _ in range(20):
            assert b" 400 " in _raw(server.port, b"Transfer-Encoding: chunked\r\n\r\n", [b"1\r\nx\r\n", b"ZZ\r\n"])
        with httpx.Client(base_url=server.address) as client:
            assert client.get("/api/ready").status_code == 200
        assert server.end() == 0
    assert all(" POST /api/predict 400 " in line or " GET /api/ready 200 " in line for line in server.said), server.said


@pytest.mark.slow
def test_an_address_that_others_reach_is_warned_of() -> None:
    with program("--bundle", BUNDLE, "--host", "0.0.0.0", "--allow-host", "colles.example") as server:
        assert server.address.startswith("http://0.0.0.0:")
        home = f"http://127.0.0.1:{server.port}/api/health"
        assert httpx.get(home).status_code == 200
        assert httpx.get(home, headers={"host": "colles.example"}).status_code == 200
        assert httpx.get(home, headers={"host": "other.example"}).status_code == 403
        assert server.end() == 0
    assert server.said[0].startswith("warning: other machines reach this address. There is no password")
