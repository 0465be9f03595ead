"""Which model answers: the committed one, once it has answered its own sample; until then the one before.

A store that does not answer is no reason to change anything. A version that failed is not tried at each look, but again
after a while: what failed may have been a disk or a network.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Thread
from typing import Final

from ctr_assets.serving import metrics
from ctr_assets.serving.equality import compare_sample
from ctr_assets.serving.session import MODEL_NAME, PROBABILITY, SAMPLE_NAME, ServedModel
from ctr_assets.storage import Manifest, Store, UnreadableError
from ctr_assets.tables import CURRENT, SERVING_MODEL, how_to_materialize

RETRY_SECONDS: Final = 300.0
"""How long a version that was refused is left alone."""
_UNREADABLE: Final = "(unreadable)"
"""Stands for the version of a manifest that cannot be read."""

log = logging.getLogger(__name__)


class RefusedError(ValueError):
    """A committed model that must not be used; the message says why."""


@dataclass(frozen=True)
class Champion:
    """A model that answered its sample. ``version`` is the committed one, ``example`` a row of the sample."""

    model: ServedModel
    day: str
    version: str
    example: Mapping[str, str]


def load(store: Store, manifest: Manifest) -> Champion:
    """The model of a version, once it has said of its sample what the trained model said.

    Raises RefusedError or UnreadableError; anything else says that the store could not be asked.
    """
    with store.parquet(manifest, store.file(manifest, SAMPLE_NAME)) as parquet:
        sample = parquet.read()
    with store.local_file(manifest, store.file(manifest, MODEL_NAME)) as path:
        try:
            model = ServedModel(path)
            problem = compare_sample(model, sample).problem
        except Exception as e:  # whatever onnxruntime says: of these bytes it will say it again
            raise RefusedError(f"{MODEL_NAME} cannot be used: {type(e).__name__}: {e}") from e
    if problem:
        raise RefusedError(f"{MODEL_NAME} does not say what the trained model says: {problem}")
    example = sample.drop([PROBABILITY]).slice(0, 1).to_pylist()[0]
    return Champion(model, str(manifest.properties["day"]), manifest.version, example)


class Watch:
    """Looks at the store every ``seconds`` and gives each new champion to ``change``."""

    def __init__(
        self,
        store: Store,
        change: Callable[[Champion], None],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._change, self._seconds, self._clock = store, change, seconds, clock
        self._version: str | None = None
        self._refused: str | None = None
        self._refused_at = 0.0
        self._trouble: str | None = None

    def start(self) -> None:
        """Look from now on, in a thread of its own that ends with the process: a store that hangs holds up nobody."""
        Thread(target=self._run, name="watch", daemon=True).start()

    def look(self) -> None:
        """One look: change the champion when there is another that may be used. Raises nothing."""
        version = _UNREADABLE
        try:
            manifest = self._store.find(SERVING_MODEL, CURRENT)
            metrics.STORE_ANSWERED.set_to_current_time()
            if manifest is not None:
                version = manifest.version
                if version != self._version and not self._is_left_alone(version):
                    self._use(load(self._store, manifest))
        except (RefusedError, UnreadableError) as e:
            self._refuse(version, e)
        except Exception as e:
            # Told by its kind: the rest may name a connection, which is another one each time.
            self._tell(type(e).__name__, f"the store cannot be asked: {type(e).__name__}: {e}")
        else:
            if manifest is None:
                todo = how_to_materialize(SERVING_MODEL, CURRENT)
                self._tell("nothing", f"no {SERVING_MODEL} is committed under {self._store.url}: {todo}")
            else:
                self._tell(None, "the store answers again")

    def _run(self) -> None:
        while True:
            self.look()
            time.sleep(self._seconds)

    def _use(self, champion: Champion) -> None:
        self._version, self._refused = champion.version, None
        self._change(champion)
        metrics.tell_model(champion.day, champion.version)
        log.info("the champion of %s answers, version %s", champion.day, champion.version)

    def _is_left_alone(self, version: str) -> bool:
        return version == self._refused and self._clock() - self._refused_at < RETRY_SECONDS

    def _refuse(self, version: str, error: Exception) -> None:
        if not self._is_left_alone(version):
            self._refused, self._refused_at = version, self._clock()
            metrics.REFUSED.inc()
            log.error("version %s is refused: %s", version, error)

    def _tell(self, trouble: str | None, message: str) -> None:
        """Once for each change of the trouble."""
        if trouble != self._trouble:
            self._trouble = trouble
            log.log(logging.WARNING if trouble else logging.INFO, "%s", message)
