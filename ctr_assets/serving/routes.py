"""The two HTTP routes that predict, V1 and V2, each with a body of a limited size and errors that say what is expected.

They stand in front of kserve's own, which answer 500 to much that is malformed, send a wrong body back as a whole, and
bound nothing. What they do not do kserve's routes do: health, metadata, metrics.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from fastapi import FastAPI
from kserve.constants.constants import INFERENCE_CONTENT_LENGTH_HEADER
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady
from kserve.protocol.dataplane import DataPlane
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ctr_assets.serving import metrics
from ctr_assets.serving.inputs import parse_object, parse_request

STATUS: Final[dict[type[Exception], int]] = {InvalidInput: 400, ModelNotFound: 404, ModelNotReady: 503}

log = logging.getLogger(__name__)


class Routes:
    """Adds itself to kserve's application; ``max_body_bytes`` bounds a request's body."""

    def __init__(self, data_plane: DataPlane, max_body_bytes: int) -> None:
        self._data_plane, self._max_body_bytes = data_plane, max_body_bytes

    def add_to(self, app: FastAPI) -> None:
        """Before the server starts, so that they are found before kserve's."""
        app.add_route("/v1/models/{model_name}:predict", _counted("v1", self._predict), methods=["POST"])
        for path in ("/v2/models/{model_name}/infer", "/v2/models/{model_name}/versions/{version}/infer"):
            app.add_route(path, _counted("v2", self._infer), methods=["POST"])
        for path in ("/v1/models/{model_name}:explain", "/v2/models/{model_name}/versions/{version:path}"):
            app.add_route(path, _not_here, methods=["GET", "POST"])

    async def _predict(self, request: Request) -> Response:
        payload = parse_object(await self._body(request))
        answer, _ = await self._data_plane.infer(request.path_params["model_name"], payload)
        return _json(answer)

    async def _infer(self, request: Request) -> Response:
        name, version = request.path_params["model_name"], request.path_params.get("version")
        json_bytes = request.headers.get(INFERENCE_CONTENT_LENGTH_HEADER)
        payload = parse_request(await self._body(request), json_bytes, name, version)
        answer, _ = await self._data_plane.infer(name, payload)
        content, json_size = answer.to_rest()
        if json_size is None:
            return _json(content)
        headers = {INFERENCE_CONTENT_LENGTH_HEADER: str(json_size)}
        return Response(content, headers=headers, media_type="application/octet-stream")

    async def _body(self, request: Request) -> bytes:
        """The whole body. Raises HTTPException as soon as it is too long."""
        blocks, size = [], 0
        async for block in request.stream():
            size += len(block)
            if size > self._max_body_bytes:
                raise HTTPException(
                    413, f"the body is longer than {self._max_body_bytes} bytes: send fewer rows at once"
                )
            blocks.append(block)
        return b"".join(blocks)


def _counted(
    protocol: str, answer: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        with metrics.SECONDS.labels(protocol).time():
            try:
                response = await answer(request)
            except Exception as e:
                response = _refusal(e)
        metrics.REQUESTS.labels(protocol, response.status_code).inc()
        return response

    return endpoint


def _refusal(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return _json({"error": error.detail}, error.status_code)
    if isinstance(error, ClientDisconnect):
        return _json({"error": "the body ended early"}, 400)
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return _json({"error": str(error)}, status)
    log.error("a request failed", exc_info=error)
    return _json({"error": "the server failed, its log says why"}, 500)


async def _not_here(request: Request) -> Response:
    return _json({"error": f"nothing is at {request.url.path}: one model answers, and explains nothing"}, 404)


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
