"""A service in this process, and a client that needs no network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from colles.serving.bundle import load_bundle
from colles.serving.predictor import Predictor
from pictures import picture_bytes

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from colles.serving.http.app import Service

collect_ignore_glob = [] if find_spec("fastapi") else ["test_*.py"]  # the server comes with colles[serve]
HERE = "http://127.0.0.1:8000"
Serve = Callable[..., "Service"]


@pytest.fixture
def predictor(drawn_bundle: Path) -> Predictor:
    return Predictor(load_bundle(drawn_bundle), threads=2)


@pytest.fixture
def logged() -> list[str]:
    """Collect what the server logs."""
    return []


@pytest.fixture
def serve(predictor: Predictor, logged: list[str]) -> Iterator[Serve]:
    from colles.serving.http.app import create_service

    made: list[Service] = []

    def make(**options: Any) -> Service:
        given = options.pop("predictor", predictor)
        made.append(create_service(given, log=logged.append, **options))
        return made[-1]

    yield make
    for service in made:
        service.desk.close()


@pytest.fixture
def client(serve: Serve) -> TestClient:
    from fastapi.testclient import TestClient

    return TestClient(serve().app, base_url=HERE)


@pytest.fixture
def radiograph() -> bytes:
    """Return a drawn PNG, 90 wide and 60 high, brighter towards one corner."""
    rows, columns = np.indices((60, 90))
    return picture_bytes(Image.fromarray((rows + 2 * columns).clip(0, 255).astype(np.uint8)), "PNG")
