"""The examples of docs/how-to/serve.md, run one after the other against the real program."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from program import program

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "serve.md"
ADDRESS = "http://127.0.0.1:8000"


@pytest.mark.slow
def test_the_examples_run(drawn_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLLES_MODELS", str(drawn_bundle.parent))
    Image.fromarray(np.indices((60, 90)).sum(0).astype(np.uint8)).save("wrist.png")
    blocks = re.findall(r"^```(console|python)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    typed = [line[2:] for kind, text in blocks if kind == "console" for line in text.splitlines()]
    starts = [shlex.split(line)[2:] for line in typed if line.startswith("colles serve")]
    asks = [line for line in typed if line.startswith("curl ")]
    assert len(starts) == 2 and len(starts) + len(asks) == len(typed)
    with program("--bundle", drawn_bundle.name, *starts[1]) as server:
        for ask in asks if shutil.which("curl") else ():
            words = shlex.split(ask.replace(ADDRESS, server.address))
            done = subprocess.run([*words, "--silent", "--fail"], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0 and '"status":"ok"' in done.stdout, done
        names: dict[str, object] = {}
        for kind, text in blocks:
            if kind == "python":
                exec(compile(text.replace(ADDRESS, server.address), str(PAGE), "exec"), names)
        assert server.end() == 0
    assert Image.open("overlay.png").size == (90, 60)
    with program(*starts[0]) as server:
        assert server.end() == 0
