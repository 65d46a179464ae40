"""What `run` does before its first stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from colles.core.errors import CollesError
from colles.core.recipe_text import recipe_from
from colles.flow.run import run


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "resnet51"}, "unknown model 'resnet51'. Did you mean 'resnet50'?"),
        ({"weights": "nowhere.safetensors"}, "nowhere.safetensors: no such file"),
        ({"name": "simple_cnn"}, "simple_cnn has no pretrained weights"),
    ],
)
def test_what_would_stop_the_training_is_said_before_anything_is_made(
    tmp_path: Path, model: dict[str, str], message: str
) -> None:
    """It came after the audit, minutes later, in a folder that had to be deleted by hand."""
    recipe = recipe_from({"data": {"phantom": {"images": 40, "size": 64}}, "model": model})
    with pytest.raises(CollesError, match=message.replace("?", r"\?")):
        run(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()
