"""The log that tests read has the published form, and is taken from a download as it lies there."""

import gzip

import pytest

from ctr_assets.features import RAW_COLUMNS
from ctr_assets_tests.avazu import DAYS, UNLABELLED, UNLABELLED_DAY, downloaded_log
from ctr_assets_tests.deliveries import deliver, impressions


def test_the_log_has_the_published_form(avazu_log):
    headers = [
        gzip.decompress(path.read_bytes()).split(b"\n")[0].decode() for path in (avazu_log.train, avazu_log.test)
    ]
    assert headers == [",".join(RAW_COLUMNS), ",".join(name for name in RAW_COLUMNS if name != "click")]
    assert set(avazu_log.rows) == {*DAYS, UNLABELLED_DAY}
    # A signed 64-bit integer does not hold them.
    assert max(map(int, avazu_log.unlabelled_ids)) > 2**63


def test_of_whole_files_as_many_rows_are_taken_as_the_tests_want(tmp_path):
    rows = [row for day in (*DAYS, "2014-10-23") for row in impressions(day, 3_000)]
    deliver(tmp_path, "train.gz", rows)
    deliver(tmp_path, "test.gz", impressions(UNLABELLED_DAY, 900, labelled=False))
    thinned = tmp_path / "thinned"
    thinned.mkdir()
    log = downloaded_log(tmp_path, thinned)
    assert log.rows == {DAYS[0]: 10, DAYS[1]: 10, UNLABELLED_DAY: 2}


def test_a_folder_that_lacks_a_file_is_named_with_what_it_should_hold(tmp_path):
    deliver(tmp_path, "train.gz", impressions(DAYS[0], 1))
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path} has no {' nor '.join(UNLABELLED)}: set DIR"):
        downloaded_log(tmp_path, tmp_path)
