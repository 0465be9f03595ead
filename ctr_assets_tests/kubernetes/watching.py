"""Watch streams: the frames that a client sees of the store's changes, through its selectors."""

import json
import time
from collections.abc import Callable, Iterator

from ctr_assets_tests.kubernetes.errors import ApiError, expired
from ctr_assets_tests.kubernetes.listing import selection
from ctr_assets_tests.kubernetes.paths import Request
from ctr_assets_tests.kubernetes.resources import Json, Resource
from ctr_assets_tests.kubernetes.selectors import Matches
from ctr_assets_tests.kubernetes.storage import Change, Store

DEFAULT_TIMEOUT_SECONDS = 1800
BOOKMARK_SECONDS = 60.0
# Bookmarks come again at these seconds before a watch's timeout, so that the client can go on from a fresh version.
LAST_BOOKMARKS_SECONDS = (2.0, 1.0)


def frame(type_: str, obj: Json) -> bytes:
    return json.dumps({"type": type_, "object": obj}).encode() + b"\n"


def watch(
    store: Store, resource: Resource, namespace: str | None, request: Request, is_over: Callable[[], bool]
) -> Iterator[bytes]:
    """Checks the request at once (400, 500), then returns its frames; they end with the timeout or when `is_over`."""
    matches = selection(resource, request)
    text = request.query.get("resourceVersion") or "0"
    if not text.isdigit():
        fault = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise ApiError(500, fault)
    return _frames(store, resource, namespace, request, matches, int(text), is_over)


def _frames(
    store: Store,
    resource: Resource,
    namespace: str | None,
    request: Request,
    matches: Matches,
    version: int,
    is_over: Callable[[], bool],
) -> Iterator[bytes]:
    started = time.monotonic()
    timeout = float(request.query.get("timeoutSeconds") or DEFAULT_TIMEOUT_SECONDS)
    bookmarks = _bookmark_times(timeout) if request.asks("allowWatchBookmarks") else []
    with store.changed:
        if 0 < version < store.cache_start:
            too_old = expired(f"too old resource version: {version} ({store.cache_start})")
            yield frame("ERROR", too_old.body())
            return
        initial = store.objects(resource, namespace) if version == 0 else []
        cursor = store.version if version == 0 else version
    for obj in initial:
        if matches(obj):
            yield frame("ADDED", obj)
    if request.asks("sendInitialEvents") and request.asks("allowWatchBookmarks"):
        yield frame("BOOKMARK", _bookmark(resource, cursor, {"annotations": {"k8s.io/initial-events-end": "true"}}))
    while not is_over():
        with store.changed:
            pending = store.changes_after(cursor)
            elapsed = time.monotonic() - started
            next_stop = min([timeout, *bookmarks[:1]])
            if not pending and elapsed < next_stop:
                store.changed.wait(next_stop - elapsed)
                continue
        for change in pending:
            cursor = change.version
            if change.resource == resource and namespace in (None, change.key[1]):
                yield from _seen(change, matches)
        if elapsed >= timeout:
            return
        if bookmarks and elapsed >= bookmarks[0]:
            bookmarks.pop(0)
            yield frame("BOOKMARK", _bookmark(resource, max(cursor, version), {}))


def _seen(change: Change, matches: Matches) -> Iterator[bytes]:
    """An object that leaves the selection is DELETED (as it was selected), one that comes into it is ADDED."""
    matched_before = change.previous is not None and matches(change.previous)
    if change.type == "DELETED":
        if matched_before:
            yield frame("DELETED", change.object)
    elif matches(change.object):
        yield frame("MODIFIED" if matched_before else "ADDED", change.object)
    elif matched_before and change.previous is not None:
        gone = change.previous | {
            "metadata": change.previous["metadata"] | {"resourceVersion": change.object["metadata"]["resourceVersion"]}
        }
        yield frame("DELETED", gone)


def _bookmark(resource: Resource, version: int, metadata: Json) -> Json:
    return {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": metadata | {"resourceVersion": str(version)},
    }


def _bookmark_times(timeout: float) -> list[float]:
    if timeout <= max(LAST_BOOKMARKS_SECONDS):
        return []
    regular = [BOOKMARK_SECONDS * i for i in range(1, int(timeout / BOOKMARK_SECONDS) + 1)]
    return sorted(at for at in {*regular, *(timeout - before for before in LAST_BOOKMARKS_SECONDS)} if 0 < at < timeout)
