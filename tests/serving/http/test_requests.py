"""Requests as they should not be: each gets one JSON sentence with the next step, and none costs memory."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hostile import png_claiming, seeds

from colles.core.limits import MAX_BYTES
from colles.serving.http.app import Bounds
from colles.serving.predictor import Predictor

HERE = "http://127.0.0.1:8000"


def refused(response: Any, status: int) -> str:
    assert response.status_code == status, response.text
    assert list(response.json()) == ["error", "repair"] and all(response.json().values())
    return str(response.json()["error"])


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.png", bytes(50_000_000))
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"<html><script>alert(1)</script></html>",
        bomb(),
        png_claiming(60_000, 60_000),
        png_claiming(11_000, 11_000, bytes(11_001 * 11_000)),
        *(data[: len(data) // 2] for name, data in seeds().items() if name in ("grey.jpg", "film.dcm")),
    ],
    ids=["a zero", "HTML", "a zip bomb", "a huge PNG", "a PNG bomb", "half a JPEG", "half a DICOM file"],
)
def test_a_body_that_is_no_picture_is_answered(client: TestClient, data: bytes, logged: list[str]) -> None:
    found = client.post("/api/predict?plain=true&overlay=true", content=data)
    assert found.status_code == 200 and found.json()["status"] == "unreadable" and found.json()["reason"]
    assert found.json()["plain"] is None and found.json()["decision"] is None
    assert len(logged) == 1 and "defect" not in logged[0]


def test_an_empty_body(client: TestClient) -> None:
    assert refused(client.post("/api/predict"), 400) == "the body is empty"


def test_a_form_is_told_how_to_send_a_file(client: TestClient, radiograph: bytes) -> None:
    form = {"file": ("Mustermann.png", radiograph)}
    assert refused(client.post("/api/predict", files=form), 415) == "the body is a form, not a file"


@pytest.mark.parametrize("way", ["gzip", "br", "zstd, identity"])
def test_a_body_that_is_packed_for_its_way_is_no_unreadable_film(
    client: TestClient, radiograph: bytes, way: str
) -> None:
    """Its packed bytes were answered as a file that is no image, with status 200."""
    found = client.post("/api/predict", content=gzip.compress(radiograph), headers={"content-encoding": way})
    assert refused(found, 415) == "the body is packed (Content-Encoding)"
    assert found.headers["accept-encoding"] == "identity"
    plain = client.post("/api/predict", content=radiograph, headers={"content-encoding": "Identity"})
    assert plain.json()["status"] == "ok"


@pytest.mark.parametrize("kind", [None, "image/png", "application/dicom", "application/x-www-form-urlencoded", "x"])
def test_any_other_kind_of_content_is_taken_as_the_file(
    client: TestClient, radiograph: bytes, kind: str | None
) -> None:
    headers = {} if kind is None else {"content-type": kind}
    assert client.post("/api/predict", content=radiograph, headers=headers).json()["status"] == "ok"


def test_a_stated_length_above_the_limit_is_refused_before_a_byte_is_read(client: TestClient) -> None:
    def body() -> Iterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    found = client.post("/api/predict", content=body(), headers={"content-length": str(MAX_BYTES + 1)})
    assert "above the limit" in refused(found, 413) and found.headers["connection"] == "close"


def test_a_body_without_a_length_is_refused_as_soon_as_it_passes_the_limit(serve: Any) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 1000
            yield bytes(1000)

    found = _asynchronously(serve(bounds=Bounds(file_bytes=10_000)).app, endless())
    assert "above the limit" in refused(found, 413) and sent <= 12_000


def test_a_body_that_does_not_come_to_its_end_is_given_up(serve: Any) -> None:
    import asyncio

    async def stuck() -> Any:
        yield b"\xff\xd8"
        await asyncio.sleep(60)

    service = serve(bounds=Bounds(upload_seconds=0.05))
    assert "did not arrive within 0.05 seconds" in refused(_asynchronously(service.app, stuck()), 408)
    assert service.desk.taken == 0


CLOSED = {"connection": "close", "content-type": "multipart/x"}


def test_what_is_left_of_a_refused_body_is_read_within_bounds(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0

    async def body(parts: int) -> Any:
        nonlocal sent
        for _ in range(parts):
            sent += 1000
            yield bytes(1000)

    monkeypatch.setattr("colles.serving.http.body.MAX_BYTES", 10_000)
    for parts, read in ((5, 5000), (10**9, 10_000)):
        sent = 0
        assert refused(_asynchronously(serve().app, body(parts), CLOSED), 415) and sent == read
    sent = 0
    assert refused(_asynchronously(serve().app, body(5), CLOSED | {"expect": "100-continue"}), 415) and sent == 0


def test_what_is_left_of_a_refused_body_is_not_waited_for_without_end(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    async def stuck() -> Any:
        yield b"x"
        await asyncio.sleep(60)

    monkeypatch.setattr("colles.serving.http.body._PATIENCE", 0.05)
    assert refused(_asynchronously(serve().app, stuck(), CLOSED), 415)


def _asynchronously(app: Any, body: Any, headers: dict[str, str] | None = None) -> Any:
    import asyncio

    import httpx

    async def ask() -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as client:
            return await client.post("/api/predict", content=body, headers=headers)

    return asyncio.run(ask())


def test_addresses_and_methods_that_are_none(client: TestClient, logged: list[str]) -> None:
    assert refused(client.get("/Mustermann.dcm?name=Mustermann"), 404)
    assert refused(client.put("/api/predict", content=b"x"), 405)
    assert refused(client.post("/api/predict?overlay=Mustermann", content=b"x"), 422)
    assert refused(client.get("/docs"), 404) and refused(client.get("/redoc"), 404)
    assert not any("Mustermann" in line for line in logged)
    assert [line.split(" ", 1)[1].rsplit(" ", 2)[0] for line in logged[:3]] == [
        "GET other 404", "PUT /api/predict 405", "POST /api/predict 422",
    ]  # fmt: skip


def test_a_misspelt_wish_is_not_passed_over(client: TestClient) -> None:
    """`?overlays=true`, as the command line has it, gave an answer without a picture and no word why."""
    told = client.post("/api/predict?overlays=Mustermann", content=b"x")
    assert refused(told, 422) and "overlay and plain" in told.json()["repair"]
    assert "Mustermann" not in told.text and "overlays" not in told.text


@pytest.mark.parametrize("path", ["/api/predict/", "/api/health/", "/metrics/"])
def test_an_address_with_a_slash_too_many_is_none(client: TestClient, path: str) -> None:
    """It was led on to http://, which is not where a proxy with encryption is asked."""
    found = client.get(path, follow_redirects=False)
    assert refused(found, 404) and "location" not in found.headers


def test_a_defect_is_told_by_its_kind_alone(
    client: TestClient, predictor: Predictor, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("Mustermann^Erika")

    monkeypatch.delenv("COLLES_DEBUG", raising=False)
    monkeypatch.setattr(Predictor, "explain", fail)
    found = client.post("/api/predict", content=b"x")
    assert refused(found, 500) == "a defect of colles" and "Mustermann" not in found.text
    assert logged[0] == "defect: ValueError; COLLES_DEBUG=1 shows where" and len(logged) == 2
    monkeypatch.setenv("COLLES_DEBUG", "1")
    client.post("/api/predict", content=b"x")
    assert "Traceback" in logged[3]
