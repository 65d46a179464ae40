"""A request that gets no answer, and the JSON that says why."""

from __future__ import annotations

from pydantic import Field
from starlette.responses import JSONResponse

from colles.core.records import Record


class Problem(Record):
    """The body of every response but 200."""

    error: str = Field(description="What is wrong.")
    repair: str = Field(description="The next step.")


class Refusal(Exception):
    """A request that gets no answer."""

    def __init__(self, status: int, error: str, repair: str, **headers: str) -> None:
        """`headers` are the response's, by names with _ for -."""
        super().__init__(error)
        self.status, self.problem = status, Problem(error=error, repair=repair)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> JSONResponse:
        """Return it as JSON."""
        return JSONResponse(self.problem.model_dump(), self.status, self.headers)
