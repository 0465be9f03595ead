"""KServe's model server with the champion behind it: Open Inference Protocol over HTTP and gRPC, and V1.

kserve serves; what it lacks for a model that changes while it serves is added here and in ``routes``.
"""

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelRepository, ModelServer
from kserve import model_server as kserve_server
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from ctr_assets.serving import metrics
from ctr_assets.serving.inputs import Columns, columns_of_instances, columns_of_tensors
from ctr_assets.serving.routes import Routes
from ctr_assets.serving.session import PROBABILITY
from ctr_assets.serving.watch import Champion

GRPC_CODES: Final = {InvalidInput: "INVALID_ARGUMENT", ModelNotFound: "NOT_FOUND", ModelNotReady: "UNAVAILABLE"}
GRACE_SECONDS: Final = 20
"""How long requests in flight are waited for when the server is told to stop."""


class NoModelError(ModelNotReady):
    """No model answers yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "No champion is committed, or none that may be used: the log says which.")
        self.reason = self.error_msg  # where kserve's gRPC side looks for it


class ClickModel(Model):
    """Answers with the champion of the moment. A request ends on the champion that it began with."""

    def __init__(self, name: str, max_rows: int) -> None:
        super().__init__(name)
        self._max_rows = max_rows
        self._champion: Champion | None = None

    def change(self, champion: Champion) -> None:
        """From the next request on."""
        self._champion = champion
        self.ready = True

    @property
    def champion(self) -> Champion:
        """Raises NoModelError."""
        if self._champion is None:
            raise NoModelError(self.name)
        return self._champion

    def load(self) -> bool:
        """kserve asks a model that is not ready to load itself; only a promotion does."""
        return self.ready

    def validate(self, payload: Any) -> Any:
        """Nothing: ``inputs`` says what is wrong."""
        return payload

    def get_input_types(self) -> list[dict[str, Any]]:
        return [{"name": name, "datatype": "BYTES", "shape": [-1]} for name in self.champion.model.columns]

    def get_output_types(self) -> list[dict[str, Any]]:
        return [{"name": PROBABILITY, "datatype": "FP32", "shape": [-1]}]

    async def predict(
        self, payload: dict[str, Any] | InferRequest, headers: Any = None, response_headers: Any = None
    ) -> dict[str, Any] | InferResponse:
        """Probabilities of a V1 request's instances, or of a V2 request's tensors."""
        # In a thread: between the steps of many rows the loop answers others. It costs a request of one row 0.4 ms.
        if isinstance(payload, InferRequest):
            return await asyncio.to_thread(self._infer, payload, self.champion)
        return await asyncio.to_thread(self._predict, payload, self.champion)

    def _predict(self, payload: Mapping[str, Any], champion: Champion) -> dict[str, Any]:
        columns = columns_of_instances(payload, champion.model.columns, self._max_rows)
        probabilities = _probabilities(champion, columns)
        return {"predictions": probabilities.tolist(), "model": {"day": champion.day, "version": champion.version}}

    def _infer(self, request: InferRequest, champion: Champion) -> InferResponse:
        if request.model_version and request.model_version != champion.version:
            raise InvalidInput(f"another version answers, {champion.version}: leave the version out")
        if wrong := {output.name for output in request.request_outputs or ()} - {PROBABILITY}:
            raise InvalidInput(f"there is no output {ascii(min(wrong))[:60]}, only {PROBABILITY}")
        columns = columns_of_tensors(request.inputs, champion.model.columns, self._max_rows)
        probabilities = _probabilities(champion, columns)
        # Over gRPC kserve takes a list alone, and writes it as raw bytes to a client that sent such.
        data = probabilities.tolist() if request.from_grpc else probabilities
        return InferResponse(
            request.id or str(uuid.uuid4()),
            self.name,
            [InferOutput(PROBABILITY, list(probabilities.shape), "FP32", data)],
            model_version=champion.version,
            parameters={"model_day": champion.day},
            use_binary_outputs=request.use_binary_outputs,
            requested_outputs=request.request_outputs,
        )


def _probabilities(champion: Champion, columns: Columns) -> npt.NDArray[np.float32]:
    probabilities, unknown = champion.model.predict_counting(columns)
    metrics.count_rows(len(probabilities), dict(zip(champion.model.features, unknown.tolist(), strict=True)))
    return probabilities


class _DataPlane(DataPlane):
    """Ready when the model is; tells its version; counts gRPC requests, as ``routes`` does those over HTTP."""

    def __init__(self, repository: ModelRepository, model: ClickModel) -> None:
        super().__init__(repository)
        self._model = model

    async def ready(self) -> bool:
        return self._model.ready

    def metadata(self) -> dict[str, Any]:
        return {**super().metadata(), "extensions": ["binary_tensor_data"]}

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        told = await super().model_metadata(model_name)
        return {**told, "platform": "onnx_onnxv1", "versions": [self._model.champion.version]}

    async def infer(self, model_name: str, request: Any, headers: Any = None) -> Any:
        if not (isinstance(request, InferRequest) and request.from_grpc):
            return await super().infer(model_name, request, headers)
        began, code = time.perf_counter(), "OK"
        try:
            return await super().infer(model_name, request, headers)
        except Exception as e:
            code = next((code for kind, code in GRPC_CODES.items() if isinstance(e, kind)), "INTERNAL")
            raise
        finally:
            metrics.SECONDS.labels("grpc").observe(time.perf_counter() - began)
            metrics.REQUESTS.labels("grpc", code).inc()


class _Repository(ModelRepository):
    def unload(self, name: str) -> None:
        """Nothing: kserve does this when it is told to stop, while requests are still in flight."""


class _RepositoryExtension(ModelRepositoryExtension):
    """A promotion changes the model, and no client."""

    async def load(self, model_name: str) -> None:
        raise InvalidInput("a promotion changes the model; it cannot be loaded or unloaded from here")

    unload = load


def serve(model: ClickModel, *, http_port: int, grpc_port: int, max_body_bytes: int) -> None:
    """Serve until SIGTERM or SIGINT, then end what is in flight. ``grpc_port`` 0: no gRPC. Once in a process."""
    # kserve takes it from its own command line and from nowhere else.
    kserve_server.args.grpc_max_receive_message_length = max_body_bytes
    server = ModelServer(
        http_port=http_port,
        grpc_port=grpc_port,
        enable_grpc=bool(grpc_port),
        registered_models=_Repository(),
        enable_latency_logging=False,
        grace_period=GRACE_SECONDS,
    )
    server.register_model(model)
    server.dataplane = _DataPlane(server.registered_models, model)
    server.model_repository_extension = _RepositoryExtension(server.registered_models)
    Routes(server.dataplane, max_body_bytes).add_to(kserve_server.app)
    server.start([])  # it takes no model that is not ready yet; this one is registered
