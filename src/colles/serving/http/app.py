"""The routes: a page, an answer a file, and what a monitor asks. `docs/how-to/serve.md` describes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from colles import __version__
from colles.core.limits import MAX_BYTES
from colles.core.progress import say
from colles.core.records import Record
from colles.serving.http.about import About
from colles.serving.http.answer import Answer, Answerer
from colles.serving.http.body import read_body
from colles.serving.http.desk import Desk
from colles.serving.http.guard import Guard
from colles.serving.http.metrics import Metrics
from colles.serving.http.page import render
from colles.serving.http.refusal import Problem, Refusal
from colles.serving.predictor import Predictor

_BYTES = {"type": "string", "format": "binary", "description": "The bytes of one file, whatever its kind."}
_FILE = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": _BYTES}}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (400, 403, 408, 413, 415, 422, 503)}


class Wishes(Record):
    """The query of a request for an answer."""

    overlay: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one server takes in."""

    file_bytes: int = MAX_BYTES
    upload_seconds: float = 120.0
    """In which a file has to arrive."""
    waiting: int = 8
    """Requests that wait while every thread computes; each holds its file in memory."""


@dataclass(frozen=True, slots=True)
class Service:
    """A server's application, and the desk behind it."""

    app: Guard
    desk: Desk


def create_service(
    predictor: Predictor,
    *,
    hosts: Iterable[str] = (),
    address: str = "localhost",
    bounds: Bounds | None = None,
    log: Callable[[str], None] = say,
) -> Service:
    """Put a predictor behind HTTP; `hosts` are names given to this server by hand, `address` is what it listens on."""
    limits, about = bounds or Bounds(), About.of(predictor)
    desk, metrics, page = Desk(predictor.workers, limits.waiting), Metrics(), render(about)
    api = FastAPI(
        title="colles",
        version=__version__,
        description=about.intended_use,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # to http://, whatever the proxy before it speaks
    )
    _add_judging(api, Answerer(predictor), desk, metrics, limits)
    _add_telling(api, about, page.html, desk, metrics)
    _add_handlers(api)
    routes = [str(getattr(route, "path", "")) for route in api.routes]
    guard = Guard(api, hosts=hosts, address=address, routes=routes, policy=page.policy, metrics=metrics, log=log)
    return Service(guard, desk)


def _add_judging(api: FastAPI, answerer: Answerer, desk: Desk, metrics: Metrics, bounds: Bounds) -> None:
    @api.post("/api/predict", response_model=Answer, responses=_PROBLEMS, openapi_extra=_FILE)
    async def predict(request: Request, wishes: Annotated[Wishes, Query()]) -> Response:
        """Judge one file. One that cannot be read, or is no radiograph, is an answer too: see its status."""
        with desk.place():
            data = await read_body(request, bounds.file_bytes, bounds.upload_seconds)
            started = time.perf_counter()
            answer = await desk.run(partial(answerer.answer, data, overlay=wishes.overlay, plain=wishes.plain))
        metrics.answered(answer.status, answer.decision, time.perf_counter() - started)
        return Response(answer.model_dump_json(), media_type="application/json")


def _add_telling(api: FastAPI, about: About, html: str, desk: Desk, metrics: Metrics) -> None:
    @api.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(html)

    @api.get("/api/bundle")
    async def bundle() -> About:
        """Say what answers, how it decides, and how well, on which data."""
        return about

    @api.get("/api/health")
    async def health() -> dict[str, str]:
        """Say that the server is alive."""
        return {"status": "alive"}

    @api.get("/api/ready", responses={503: {"model": Problem}})
    async def ready() -> dict[str, str]:
        """Say whether it would take another file now."""
        if desk.full:
            raise desk.busy()
        return {"status": "ready"}

    @api.get("/metrics", response_class=PlainTextResponse)
    async def counts() -> str:
        """Give counts in the text form of Prometheus."""
        return metrics.text(desk.taken)


def _add_handlers(api: FastAPI) -> None:
    async def refused(_: Request, error: Exception) -> Response:
        return (error if isinstance(error, Refusal) else _as_refusal(error)).response()

    for kind in (Refusal, HTTPException, RequestValidationError, Exception):
        api.add_exception_handler(kind, refused)


def _as_refusal(error: Exception) -> Refusal:
    if isinstance(error, RequestValidationError):  # its own text would send back what came in
        return Refusal(422, "the query is not understood", "It may have overlay and plain, each true or false")
    if isinstance(error, HTTPException):
        told = {404: "there is no such address", 405: "the address is not asked in this way"}
        headers = {name.replace("-", "_"): value for name, value in (error.headers or {}).items()}  # Allow, of a 405
        return Refusal(error.status_code, told.get(error.status_code, error.detail), "See /openapi.json", **headers)
    return Refusal(500, "a defect of colles", "Please report it; COLLES_DEBUG=1 shows where in the log")
