"""The examples of docs/python.md, run one after the other as a reader would."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_examples_run(drawn_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(drawn_bundle, "models/mine")
    Image.fromarray((np.indices((60, 90)).sum(0)).astype(np.uint8)).save("wrist.png")
    with zipfile.ZipFile("study.zip", "w") as archive:
        archive.write("wrist.png")
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) >= 6
    names: dict[str, object] = {}
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), names)
    assert Path("answers.jsonl").read_text().count("\n") == 1
