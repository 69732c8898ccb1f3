"""Errors of the server as one JSON object."""

from typing import Any

from starlette.responses import JSONResponse

from sunhwan.errors import StoreError, SunhwanError
from sunhwan.messages.mistakes import mistake
from sunhwan.text import normalize

KINDS = {404: "not_found_error", 429: "rate_limit_error"}


class RefusedError(SunhwanError):
    """A request that is not served; `status` says why to programs, the message to people.

    param: the name of the field at fault. code: a short name of the fault.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code


def as_refusal(error: SunhwanError) -> RefusedError:
    """What went wrong with a model or with what it was asked → what the server answers."""
    if isinstance(error, RefusedError):
        return error
    return RefusedError(503 if isinstance(error, StoreError) else 422, str(error))


def body_of(refused: RefusedError, language: str = "en") -> dict[str, Any]:
    """The body of an error's answer."""
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    error = {
        "message": normalize(mistake(str(refused), language)),
        "type": KINDS.get(refused.status, kind),
        "param": None if refused.param is None else normalize(refused.param),
        "code": refused.code,
    }
    return {"error": error}


def response_of(refused: RefusedError, accepted: str = "") -> JSONResponse:
    """The answer; one at capacity says when to retry.

    accepted: the request's Accept-Language; one that begins with Korean is answered in it.
    """
    headers = {"Retry-After": "1"} if refused.status in (429, 503) else None
    language = "ko" if accepted.lower().startswith("ko") else "en"
    return JSONResponse(body_of(refused, language), refused.status, headers)
