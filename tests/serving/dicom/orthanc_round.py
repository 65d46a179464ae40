"""A study from Orthanc to a node and its results back, without a network: run by test_dicom_orthanc.py."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from node_process import process
from node_tools import LONG, radiograph

from drawn_dicom import encoded

REST, DICOM = "http://127.0.0.1:8042", 4242
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(path: str, data: bytes | None = None) -> Any:
    """Ask Orthanc's interface; data is posted."""
    with OPENER.open(urllib.request.Request(REST + path, data=data), timeout=30) as answer:
        return json.load(answer)


def wait(path: str, condition: Any, what: str) -> Any:
    """Ask until a condition holds."""
    until, found = time.monotonic() + LONG, None
    while time.monotonic() < until:
        try:
            found = ask(path)
            if condition(found):
                return found
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{what}: {found}")


def configure(folder: Path, node_port: int) -> Path:
    """Write Orthanc's settings: the node is a modality of it."""
    settings = {
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "HttpPort": 8042,
        "DicomPort": DICOM,
        "DicomAet": "PACS",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
        "StableAge": 2,
        "LuaScripts": [str(folder / "colles.lua")],
        "DicomModalities": {"colles": ["COLLES", "127.0.0.1", node_port]},
    }
    page = Path(__file__).parents[3] / "docs" / "how-to" / "dicom-node.md"
    (rule,) = re.findall(r"^function OnStableStudy.*?^end$", page.read_text("utf-8"), re.M | re.S)
    (folder / "colles.lua").write_text(rule)
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings))
    return path


def round_trip(folder: Path) -> list[list[str]]:
    """Push a study of two images and return the (modality, instances) of its series in Orthanc afterwards."""
    wait("/system", bool, "Orthanc does not start")
    uploaded = [ask("/instances", encoded(radiograph(level=level))) for level in (500, 3000)]
    (study,) = {each["ParentStudy"] for each in uploaded}
    ask("/modalities/colles/store", study.encode())
    series = wait(f"/studies/{study}/series", lambda found: len(found) == 3, "results do not come back")
    wait(f"/studies/{study}/instances", lambda found: len(found) == 5, "not all results come back")
    assert len(ask("/studies")) == 1
    return sorted([each["MainDicomTags"]["Modality"], each["ParentStudy"] == study] for each in series)


def main(folder: Path, bundle: str, orthanc: str) -> None:
    options = ("--spool", folder / "spool", "--bundle", bundle, "--port", 0, "--quiet", 0.5, "--no-gate")
    with process(*options, "--threads", 1, "--from", "PACS", "--send-to", f"PACS@127.0.0.1:{DICOM}") as node:
        config = configure(folder, node.wait("listening")["port"])
        with (folder / "orthanc.log").open("w") as log:
            server = subprocess.Popen([orthanc, str(config)], stdout=log, stderr=log, env=os.environ)
            try:
                found = round_trip(folder)
                node.wait("returned", 3)  # Orthanc's rule sends all of it again, results too
                assert [each["event"] for each in node.events].count("judged") == 1
                assert len(ask("/instances")) == 5
            finally:
                server.kill()
                server.wait()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
