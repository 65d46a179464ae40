"""Put the default bundle into the wheel, without what prediction does not need (hatch's build hook).

It runs where only hatchling and PyYAML are installed, so it reads the registry and the manifest as plain files.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LEFT_OUT = ("model.safetensors",)


class DefaultBundle(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `colles/bundles/NAME` to a wheel; an editable installation finds the bundle in models/."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files of the default bundle among those that the wheel takes in."""
        self.staged = Path(tempfile.mkdtemp(prefix="colles-bundle-"))
        if version == "editable":
            return
        root = Path(self.root)
        name = yaml.safe_load((root / "src/colles/serving/bundles.yaml").read_text("utf-8"))["default"]
        bundle = root / "models" / name
        if not (bundle / "manifest.json").is_file():
            raise FileNotFoundError(
                f"{bundle} is not there: it is the default bundle of src/colles/serving/bundles.yaml"
            )
        manifest = slim(json.loads((bundle / "manifest.json").read_text("utf-8")))
        (self.staged / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        taken = {self.staged / "manifest.json": "manifest.json"} | {bundle / file: file for file in manifest["files"]}
        build_data["force_include"] |= {str(path): f"colles/bundles/{name}/{file}" for path, file in taken.items()}

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the manifest that was written for the wheel."""
        shutil.rmtree(self.staged, ignore_errors=True)


def slim(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest that says what this copy does without."""
    files, left_out = dict(manifest["files"]), dict(manifest.get("left_out", {}))
    left_out |= {name: files.pop(name) for name in LEFT_OUT if name in files}
    return {**manifest, "schema_version": 2 if left_out else 1, "files": files, "left_out": left_out}
