"""How segments are merged: few of them, and each entry written seldom."""

from ctr_assets.storage import DataFile
from ctr_assets.storage.segments import FAN_IN, Segment, merged_with
from ctr_assets.tables import FEATURE_VOCABULARY

FILE = DataFile(name="f", rows=1, bytes=1, sha256="x")


def grow(days: int) -> tuple[list[Segment], list[int]]:
    """The segments after so many days, and how many days' entries each day wrote."""
    segments: list[Segment] = []
    written = []
    for day in range(days):
        first, level = merged_with(segments)
        first_day = segments[first].first_day if first < len(segments) else str(day)
        segment = Segment(
            table=FEATURE_VOCABULARY,
            partition=str(day),
            version=str(day),
            first_day=first_day,
            level=level,
            files={0: FILE},
            chain=FILE,
        )
        segments[first:] = [segment]
        written.append(day - int(first_day) + 1)
    return segments, written


def test_every_day_is_in_one_segment_and_they_follow_one_another():
    for days in (1, FAN_IN - 1, FAN_IN, FAN_IN + 1, 100, FAN_IN**2, 1000):
        segments, _ = grow(days)
        covered = [day for each in segments for day in range(int(each.first_day), int(each.partition) + 1)]
        assert covered == [*range(days)]


def test_their_number_and_what_is_written_grow_with_the_logarithm_of_the_days():
    days = FAN_IN**3
    most = max(len(grow(each)[0]) for each in (FAN_IN**2 - 1, FAN_IN**2, days - 1, days))
    assert most == 3 * (FAN_IN - 1)
    written = grow(days)[1]
    assert sum(written) <= 4 * days
    assert sorted(written)[days * 9 // 10] == 1
