"""The application: addresses, and one shape for all errors."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sunhwan import __version__
from sunhwan.errors import SunhwanError
from sunhwan.serve import pages
from sunhwan.serve.guard import Guard
from sunhwan.serve.invalid_fields import invalid_fields
from sunhwan.serve.json_text import json_of, json_response
from sunhwan.serve.limits import Limits
from sunhwan.serve.measurements import CONTENT_TYPE, Measured, Measurements
from sunhwan.serve.model_info import described
from sunhwan.serve.models import Served
from sunhwan.serve.refusals import RefusedError, as_refusal, response_of
from sunhwan.serve.reports import report_data, report_page
from sunhwan.serve.routes.completions import Events, answered, ordered
from sunhwan.serve.routes.inspection import attributed, traced
from sunhwan.serve.routes.next_tokens import continued
from sunhwan.serve.routes.predict import predicted
from sunhwan.serve.routes.score import scored
from sunhwan.serve.routes.steps import stepped
from sunhwan.serve.routes.training_log import losses
from sunhwan.serve.schemas import (
    AttributionOf,
    Completions,
    Next,
    Predict,
    Score,
    StepsOf,
    TraceOf,
)
from sunhwan.serve.service import Service
from sunhwan.store import Run


def make_app(
    models: Mapping[str, Served], limits: Limits | None = None, hosts: Iterable[str] = ()
) -> FastAPI:
    """The server of these models. hosts: names beside those of this computer that it answers to."""
    limits = limits or Limits()
    service = Service(models, limits)
    app = FastAPI(title="Sunhwan", version=__version__, docs_url=None, redoc_url=None)
    app.state.service = service
    app.add_middleware(Guard, limits=limits, hosts=tuple(hosts))
    measurements = Measurements()
    app.add_middleware(Measured, measurements=measurements)
    _answer_errors(app)
    pages.add(app)

    async def attended(request: Request, work: Any) -> Response:
        found = await service.attend(request.receive, work)
        return json_response(found if isinstance(found, bytes) else json_of(found))

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        if service.is_stopping:
            raise RefusedError(503, "the server is stopping")
        for one in service.models.values():
            await asyncio.to_thread(one.loaded)
        return {"status": "ready"}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(measurements.text(service.waiting), media_type=CONTENT_TYPE)

    @app.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        return {"object": "list", "data": [await _model(name) for name in service.models]}

    @app.get("/v1/models/{name}")
    async def one_model(name: str) -> dict[str, Any]:
        return await _model(name)

    async def _model(name: str) -> dict[str, Any]:
        loaded, _ = await asyncio.to_thread(service.named(name).look)
        created = loaded.created if loaded else 0
        return {"id": name, "object": "model", "created": created, "owned_by": "sunhwan"}

    @app.post("/v1/completions")
    async def completions(body: Completions, request: Request) -> Response:
        if body.stream:
            return Events(service, body)

        async def work() -> bytes:
            return await answered(await ordered(service, body))

        return await attended(request, work())

    @app.get("/api/models")
    async def all_models() -> Response:
        found = [await asyncio.to_thread(described, one) for one in service.models.values()]
        return json_response(json_of({"models": found}))

    @app.post("/api/next")
    async def next_tokens(body: Next, request: Request) -> Response:
        async def work() -> Any:
            return await continued(service, await service.loaded(body.model), body)

        return await attended(request, work())

    @app.post("/api/trace")
    async def trace(body: TraceOf, request: Request) -> Response:
        async def work() -> Any:
            return await traced(service, await service.loaded(body.model), body)

        return await attended(request, work())

    @app.post("/api/steps")
    async def steps(body: StepsOf, request: Request) -> Response:
        async def work() -> Any:
            return await stepped(service, await service.loaded(body.model), body)

        return await attended(request, work())

    @app.post("/api/score")
    async def score(body: Score, request: Request) -> Response:
        async def work() -> Any:
            return await scored(service, await service.loaded(body.model), body)

        return await attended(request, work())

    @app.post("/api/predict")
    async def predict(body: Predict, request: Request) -> Response:
        async def work() -> Any:
            return await predicted(service, await service.loaded(body.model), body)

        return await attended(request, work())

    @app.post("/api/attribution")
    async def attribution(body: AttributionOf, request: Request) -> Response:
        async def work() -> Any:
            return await attributed(service, await service.loaded(body.model), body)

        return await attended(request, work())

    @app.get("/api/losses/{name}")
    async def run_losses(
        name: str, since: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0
    ) -> Response:
        one = service.named(name)
        if not one.is_run:
            raise RefusedError(404, f"{name} is a model alone, without the log of its training")
        found = await asyncio.to_thread(losses, Run(one.folder), since)
        return json_response(json_of(found))

    @app.get("/api/report/{name}")
    async def run_report(name: str) -> Response:
        return await asyncio.to_thread(report_data, service.named(name))

    @app.get("/report/{name}")
    async def report(name: str) -> Response:
        return await asyncio.to_thread(report_page, service.named(name))

    return app


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(SunhwanError)
    async def refused(request: Request, error: SunhwanError) -> Response:
        return response_of(as_refusal(error), request.headers.get("accept-language", ""))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        said = {
            404: f"there is nothing at {request.url.path}",
            405: f"{request.url.path} does not take {request.method}",
            400: "the body is no JSON",
        }
        return response_of(
            RefusedError(error.status_code, said.get(error.status_code, error.detail))
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return response_of(invalid_fields(error.errors()))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return response_of(RefusedError(500, "the server failed: its terminal says where"))
