"""A node killed by the system while it receives, judges and sends loses nothing that it acknowledged."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_process import Process, process
from node_tools import associated, pacs, radiograph, wait_until
from pydicom import dcmread

from colles.serving.dicom.spool import Spool
from colles.serving.dicom.status import read_status

SIDE = 1200  # pixels: it must not be judged before it can be killed


def image(number: int) -> Any:
    """Return an image of one of two studies."""
    pixels = np.full((SIDE, SIDE), 100 * number, "<u2").tobytes()
    return radiograph(f"1.2.3.{number % 2}", Rows=SIDE, Columns=SIDE, PixelData=pixels)


def kill(node: Process) -> None:
    """End it without a chance to tidy up."""
    node.popen.send_signal(signal.SIGKILL)
    node.popen.wait(60)


def send_until_killed(node: Process, taken: list[str]) -> None:
    """Send images one after the other; kill the node when it has taken five, with the sixth on its way."""
    port = node.wait("listening")["port"]
    with suppress(Exception), associated(port) as association:
        for number in range(30):
            ds = image(number)
            if len(taken) == 5:
                threading.Timer(0.02, kill, [node]).start()
            if association.send_c_store(ds).get("Status") == 0:
                taken.append(str(ds.SOPInstanceUID))
    node.popen.wait(60)


def is_judging(spool: Path) -> bool:
    """Tell whether a study's judging has begun and not ended."""
    states = [Spool(spool).state(path.name) for path in (spool / "studies").iterdir()]
    return any(state.begun and state.judged is None for state in states)


@pytest.mark.slow
def test_killed_while_receiving_judging_and_sending(drawn_bundle: Path, tmp_path: Path) -> None:
    spool, taken = tmp_path / "spool", []  # type: ignore[var-annotated]
    options: list[object] = ["--spool", spool, "--bundle", drawn_bundle, "--port", 0, "--no-gate", "--threads", 1]
    with pacs() as there:
        options += ["--send-to", there.destination]
        with process(*options, "--quiet", 60) as node:
            send_until_killed(node, taken)
        assert len(taken) >= 5
        kept = {str(dcmread(file).SOPInstanceUID) for file in spool.rglob("objects/*.dcm")}
        assert set(taken) <= kept
        for _ in range(2):
            with process(*options, "--quiet", 0.2) as node:
                wait_until(lambda: is_judging(spool))
                kill(node)
        with process(*options, "--quiet", 0.2) as node:
            there.answer = lambda ds: kill(node) or 0  # it never hears that this one was accepted
            wait_until(lambda: len(there.received) == 1)
        there.answer = lambda ds: 0
        with process(*options, "--quiet", 0.2) as node:
            wait_until(lambda: [each.stage for each in read_status(Spool(spool))] == ["done", "done"])
            assert node.end(signal.SIGTERM) == (0, "")
    assert_complete(there.received, kept)


def assert_complete(received: list[Any], kept: set[str]) -> None:
    """Every image is in the report of its study, and a UID that came twice brought the same object."""
    by_uid: dict[str, list[Any]] = {}
    for ds in received:
        by_uid.setdefault(str(ds.SOPInstanceUID), []).append(ds)
    assert len(received) == len(by_uid) + 1
    assert all(ds == same[0] for same in by_uid.values() for ds in same)
    reports = [same[0] for same in by_uid.values() if same[0].Modality == "SR"]
    named = {str(each.value) for ds in reports for each in ds.iterall() if each.keyword == "ReferencedSOPInstanceUID"}
    assert len(reports) == 2 and named >= kept and len(by_uid) == 2 + len(kept)
