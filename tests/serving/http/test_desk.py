"""A bounded number of requests is taken in; one more is told to come again, and the rest of the server goes on."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest

from colles.serving.http.app import Bounds
from colles.serving.predictor import Predictor


def test_one_request_too_many_is_told_when_to_come_again(
    serve: Any, predictor: Predictor, radiograph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, under_way, most, lock = threading.Event(), 0, 0, threading.Lock()
    explain = Predictor.explain

    def slow(self: Predictor, *given: Any, **more: Any) -> Any:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        assert go_on.wait(30)
        with lock:
            under_way -= 1
        return explain(self, *given, **more)

    monkeypatch.setattr(Predictor, "explain", slow)
    service = serve(bounds=Bounds(waiting=3))

    async def scene() -> None:
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            asked = [asyncio.create_task(client.post("/api/predict", content=radiograph)) for _ in range(5)]
            while service.desk.taken < 5 or under_way < 2:
                await asyncio.sleep(0.01)
            busy = await client.post("/api/predict", content=radiograph)
            assert busy.status_code == 503 and busy.headers["retry-after"] == "1"
            assert busy.json() == {"error": "5 requests are before this one", "repair": "Send it again"}
            assert (await client.get("/api/ready")).status_code == 503
            assert (await client.get("/api/health")).status_code == 200
            assert "colles_requests_held 5\n" in (await client.get("/metrics")).text
            go_on.set()
            assert [(await each).status_code for each in asked] == [200] * 5
            assert (await client.get("/api/ready")).status_code == 200
            assert (await client.post("/api/predict", content=radiograph)).status_code == 200

    asyncio.run(scene())
    assert most == predictor.workers == 2 and service.desk.taken == 0


def test_a_place_is_given_back_whatever_happens(serve: Any) -> None:
    service = serve(bounds=Bounds(file_bytes=10))

    async def scene() -> list[int]:
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            bodies = (b"", bytes(11), b"x")
            return [(await client.post("/api/predict", content=body)).status_code for body in bodies * 10]

    assert asyncio.run(scene()) == [400, 413, 200] * 10 and service.desk.taken == 0
