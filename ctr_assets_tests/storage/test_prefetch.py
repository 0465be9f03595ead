import threading
from collections.abc import Iterator

import pytest

from ctr_assets.storage.prefetch import map_ahead, prefetched


def test_items_keep_their_order() -> None:
    assert list(map_ahead(lambda n: n * n, range(50), 4)) == [n * n for n in range(50)]
    assert list(prefetched(iter(range(50)), 3)) == list(range(50))


def test_an_error_of_the_thread_is_raised_where_the_items_are_used() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("disk gone")

    items = prefetched(failing(), 1)
    assert next(items) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(items)


def test_work_stays_the_stated_number_of_items_ahead() -> None:
    made: list[int] = []
    items = map_ahead(lambda n: made.append(n) or n, range(100), 2)  # type: ignore[func-returns-value]
    next(items)
    items.close()
    assert len(made) <= 1 + 2


def test_closing_stops_the_thread_and_the_source() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    items = prefetched(endless(), 2)
    next(items)
    items.close()
    assert closed.is_set()
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())
