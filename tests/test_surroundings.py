"""Tests keep out of the user's folders, and what is set where they run does not change them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

from colles.core.cache import cache_folder


def test_caches_are_the_tests_own() -> None:
    command = "from colles.core.cache import cache_folder; print(cache_folder())"
    told = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert Path(told.strip()) == cache_folder()
    assert not cache_folder().is_relative_to(Path.home() / ".cache")


def test_drawn_examples_have_no_deadline() -> None:
    assert settings().deadline is None


@pytest.mark.slow
def test_colours_and_proxies_that_are_set_change_nothing() -> None:
    command = (
        "import os, urllib.request, conftest\n"
        "print(os.environ.get('FORCE_COLOR'), bool(urllib.request.proxy_bypass('127.0.0.1')))"
    )
    kept = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    environment = {**kept, "FORCE_COLOR": "1", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, env=environment, cwd=Path(__file__).parent
    )
    assert done.stdout.split() == ["None", "True"], done.stderr


@pytest.mark.slow
def test_interrupts_were_lost_where_a_shell_had_put_the_tests_into_the_background() -> None:
    stopped = "import conftest, os, signal; os.kill(os.getpid(), signal.SIGINT); print('went on')"
    command = ["sh", "-c", 'trap "" INT && exec "$@"', "sh", sys.executable, "-c", stopped]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    assert done.stdout == ""
    assert "KeyboardInterrupt" in done.stderr


def test_two_test_files_of_one_name_left_one_uncollected() -> None:
    names = [file.name for file in Path(__file__).parent.rglob("test_*.py")]
    assert [name for name, count in Counter(names).items() if count > 1] == []
