"""What a release states about itself agrees with itself."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import colles

ROOT = Path(__file__).parents[1]
COPYLEFT = re.compile(r"\bA?GPL|GNU General|Affero", re.I)


def test_the_citation_names_this_version_and_licence() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == colles.__version__
    assert citation["license"] == "Apache-2.0"
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_every_locked_package_is_on_the_page_of_licences() -> None:
    locked = set(re.findall(r"^([A-Za-z0-9][\w.\-]*)==([^\s;\\]+)", (ROOT / "requirements.lock").read_text(), re.M))
    rows = re.findall(r"^\| ([\w.\-]+) \| ([^|]+) \|", (ROOT / "docs" / "licences.md").read_text(), re.M)
    listed = {(name, version) for name, versions in rows for version in versions.split(", ")}
    assert len(locked) > 50
    assert locked - listed == set(), "run `make licences`"


def base_install() -> set[str]:
    """Return the packages that `pip install colles` brings to this machine, without any extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found, waiting = set(), [Requirement(text) for text in project["dependencies"]]
    while waiting:
        name = canonicalize_name(waiting.pop().name)
        if name not in found:
            found.add(name)
            needed = [Requirement(text) for text in distribution(name).requires or ()]
            waiting += [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def test_every_dependency_of_the_base_install_states_a_licence_that_is_not_copyleft() -> None:
    page = (ROOT / "docs" / "licences.md").read_text()
    told = dict(re.findall(r"^\| ([\w.\-]+) \| [^|]+ \| ([^|]+) \|$", page, re.M))
    found = {name: told.get(name, "not on the page") for name in base_install()}
    assert len(found) > 30
    assert not {name: licence for name, licence in found.items() if licence.startswith("not ")}
    assert not {name: licence for name, licence in found.items() if COPYLEFT.search(licence)}


@pytest.mark.parametrize(
    "licence", ["GPLv2", "GPLv3+", "GPL-3.0-only", "GNU General Public License v3 (GPLv3)", "AGPL"]
)
def test_copyleft_is_known_by_all_its_names(licence: str) -> None:
    assert COPYLEFT.search(licence)
    assert not COPYLEFT.search("GNU Lesser General Public License (LGPLv3), MPL 2.0")


def test_the_lock_holds_no_download_addresses() -> None:
    assert not re.search(r"https?://", (ROOT / "requirements.lock").read_text())


@pytest.mark.parametrize(("size", "code"), [(10, 0), (1_000_001, 1)])
def test_large_files_are_refused_before_a_commit(tmp_path: Path, size: int, code: int) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(size))
    command = [sys.executable, ROOT / "scripts" / "no_large_files.py", tmp_path / "weights.bin"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code
    assert ("weights.bin" in done.stderr) == bool(code)
