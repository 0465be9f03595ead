"""Small deliveries that went wrong for somebody: what each becomes, with the words that are said.

Made rows in the form of the published data. A delivery of 40 rows is spoilt in one way each.
"""

import gzip
import re
import zipfile
from typing import Any

import pytest

from ctr_assets.etl import deduplicate, parse, raw
from ctr_assets.etl.csv_block import parse_block
from ctr_assets.etl.plan import plan_tasks
from ctr_assets.landing.errors import LandingError
from ctr_assets.quality import volume
from ctr_assets.storage import Store
from ctr_assets.tables import QUARANTINE, RAW_IMPRESSIONS
from ctr_assets_tests.deliveries import COLUMNS, impressions, to_csv

DAY = "2014-10-21"
HEADER, *LINES = to_csv(impressions(DAY, 40)).decode().splitlines()
UNDATED = "undated"
NO_SPARK: Any = None


def with_cell(line, column, value):
    cells = line.split(",")
    cells[COLUMNS.index(column)] = value
    return ",".join(cells)


def lines_with(changes):
    """The 40 lines, of which some are replaced: position -> line, or a function of it."""
    return [changes[i](line) if callable(changes.get(i)) else changes.get(i, line) for i, line in enumerate(LINES)]


def csv(lines, header=HEADER, end="\n"):
    return end.join([header, *lines, ""]).encode("utf-8", "surrogateescape")


def spoilt(column, value):
    return lambda line: with_cell(line, column, value)


@pytest.fixture
def landing(tmp_path):
    return tmp_path / "landing"


@pytest.fixture
def take_in(landing, tmp_path, monkeypatch):
    """Ingest files (name -> bytes) of the day; what Spark does is place the tasks, which are run here in turn."""
    for module in (raw, deduplicate):
        monkeypatch.setattr(module, "run_tasks", lambda _, items, function: [function(item) for item in items])

    def ingest(**files):
        for name, data in files.items():
            path = landing / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        store = Store(str(tmp_path / "store"))
        return store, raw.ingest(NO_SPARK, store, str(landing), [DAY], max_quarantined_share=1, created_by={})

    return ingest


def table(store, name, partition):
    manifest = store.manifest(name, partition)
    return [row for file in manifest.files for row in store.parquet(manifest, file).read().to_pylist()]


def quarantined(store):
    return {row["row_text"]: row["reason"] for day in (DAY, UNDATED) for row in table(store, QUARANTINE, day)}


NOT_CLOSED = "a quote that does not close within the line"
QUOTES = {
    "two stray quotes in three rows": (
        {0: spoilt("site_id", '"si05'), 2: spoilt("site_id", 'si07"')},
        {0: NOT_CLOSED},
    ),
    "a lone opening quote": ({7: spoilt("site_id", '"si01')}, {7: NOT_CLOSED}),
    "a lone quote in the last field": ({39: spoilt("C21", '"c202')}, {39: NOT_CLOSED}),
    "a lone quote as the first byte": ({0: lambda line: '"' + line}, {0: NOT_CLOSED}),
    "a lone quote in every tenth row": (
        dict.fromkeys(range(0, 40, 10), spoilt("app_id", '"ap')),
        dict.fromkeys(range(0, 40, 10), NOT_CLOSED),
    ),
    "stray quotes in neighbours": ({4: spoilt("C1", '"a'), 5: spoilt("C1", '"b')}, {4: NOT_CLOSED, 5: NOT_CLOSED}),
    "quotes around two fields": (
        {3: lambda line: line.replace(line.split(",")[5] + "," + line.split(",")[6], f'"{line.split(",")[5]},x"', 1)},
        {3: "23 columns, expected 24"},
    ),
    "three quotes in a row": ({3: spoilt("C1", '"""')}, {3: NOT_CLOSED}),
    "a comma in quotes": ({7: spoilt("site_id", '"a,b"')}, {}),
    "a doubled quote in quotes": ({7: spoilt("site_id", '"a""b"')}, {}),
    "a quote within an unquoted field": ({7: spoilt("device_model", 'tv 40"')}, {}),
    "all fields quoted": ({i: lambda line: '"' + line.replace(",", '","') + '"' for i in range(40)}, {}),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize(("changes", "rejected"), QUOTES.values(), ids=QUOTES)
def test_a_line_whose_quoting_does_not_close_is_quarantined_alone(take_in, changes, rejected, pack):
    lines = lines_with(changes)
    store, found = take_in(**{"train.csv": pack(csv(lines))})
    assert quarantined(store) == {lines[position]: reason for position, reason in rejected.items()}
    kept = [line.split(",")[0].strip('"') for i, line in enumerate(lines) if i not in rejected]
    assert [row["id"] for row in table(store, RAW_IMPRESSIONS, DAY)] == kept
    (account,) = found.days[DAY].accounts
    assert account.lines == account.accounted_for == 41
    assert volume.every_line_accounted_for(store, DAY).passed


def test_a_line_break_in_quotes_makes_two_lines_that_are_both_quarantined(take_in):
    lines = lines_with({7: spoilt("site_id", '"a\nb"')})
    store, found = take_in(**{"train.csv": csv(lines)})
    first, second = lines[7].split("\n")
    assert quarantined(store) == {first: NOT_CLOSED, second: "19 columns, expected 24"}
    assert (found.days[DAY].accounts[0].lines, found.days[DAY].raw.rows) == (42, 39)


LINE_FAULTS = {
    "one byte of Latin-1": (spoilt("site_domain", "caf\udce9"), "not UTF-8 at byte"),
    "a cut UTF-8 character": (spoilt("site_domain", "caf\udcc3"), "not UTF-8 at byte"),
    "a surrogate": (spoilt("C21", "\udced\udca0\udc80"), "not UTF-8 at byte"),
    "a carriage return": (spoilt("site_domain", "a\rb"), "a carriage return within the line"),
    "a field of 5 kB": (spoilt("device_id", "x" * 5000), "device_id is longer than 4,096 bytes"),
    "an id of 1 MB": (spoilt("id", "9" * 1_000_000), "id is longer than 4,096 bytes"),
    "a line of 2 MB": (spoilt("id", "9" * 2_000_000), "longer than 1,048,576 bytes"),
    "NUL bytes in place of a row": (lambda line: "\0" * 300, "1 columns, expected 24"),
    "a column too many": (lambda line: line + ",x", "25 columns, expected 24"),
    "the header again": (lambda line: HEADER, "click is 'click', expected 0 or 1"),
    "a click that is a word": (spoilt("click", "$" * 60), f"click is {'$' * 40!r}…, expected 0 or 1"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize(("spoil", "reason"), LINE_FAULTS.values(), ids=LINE_FAULTS)
def test_a_line_with_a_fault_is_quarantined_alone_and_its_text_is_cut(take_in, spoil, reason, pack):
    store, found = take_in(**{"train.csv": pack(csv(lines_with({11: spoil})))})
    ((text, why),) = quarantined(store).items()
    assert why.startswith(reason)
    assert len(text) < 1200
    assert [row["id"] for row in table(store, RAW_IMPRESSIONS, DAY)] == [
        line.split(",")[0] for i, line in enumerate(LINES) if i != 11
    ]
    assert found.days[DAY].accounts[0].closes


def test_a_rejected_line_is_readable(take_in):
    store, _ = take_in(**{"train.csv": csv(lines_with({11: spoilt("site_domain", "caf\udce9")}))})
    assert r",caf\xe9," in next(iter(quarantined(store)))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("id", "1.0000e+19", "id is '1.0000e+19'"),
        ("id", "1E+19", "id is '1E+19'"),
        ("id", '"1,00002E+19"', "id is '1,00002E+19'"),
        ("id", "10000169349117863936.0", "id is '10000169349117863936.0'"),
        ("device_ip", "1.23E+08", "device_ip is '1.23E+08'"),
    ],
)
@pytest.mark.parametrize("blank_lines", [0, 3])
def test_a_value_that_a_spreadsheet_rounded_is_an_error_with_column_row_and_cause(
    take_in, column, value, said, blank_lines
):
    lines = [""] * blank_lines + lines_with({25: spoilt(column, value)})
    with pytest.raises(
        LandingError, match=re.escape(f"train.csv: line {27 + blank_lines}: {said}: a number that a sp")
    ):
        take_in(**{"train.csv": csv(lines)})


@pytest.mark.parametrize("value", ["12e4567890", "1e19", "1414.22", "user.1", "0x1p+3"])
def test_an_id_that_only_looks_like_a_number_is_kept(take_in, value):
    store, _ = take_in(**{"train.csv": csv(lines_with({25: spoilt("id", value)}))})
    assert table(store, RAW_IMPRESSIONS, DAY)[25]["id"] == value


def test_the_line_of_a_bad_row_is_told_across_tasks(take_in, monkeypatch):
    monkeypatch.setattr(raw, "plan_tasks", lambda files: plan_tasks(files, 500))
    with pytest.raises(LandingError, match=r"train\.csv: line 35: id is '1e\+19'"):
        take_in(**{"train.csv": csv(lines_with({33: spoilt("id", "1e+19"), 36: spoilt("id", "2e+19")}))})


@pytest.mark.parametrize(("repeats", "passes"), [(0, True), (1, True), (21, False)])
def test_a_day_that_loses_more_than_a_small_share_to_duplicates_is_stopped(take_in, repeats, passes):
    lines = to_csv(impressions(DAY, 200)).decode().splitlines()[1:]
    store, _ = take_in(**{"train.csv": csv(lines), "z.csv": csv(lines[:repeats])})
    finding = volume.duplicate_rate(store, DAY, 0.01)
    assert finding.passed is passes
    assert f"{repeats} rows repeat an id" in finding.message
    assert passes or f"Most are in {store.url.replace('store', 'landing')}/z.csv (21)" in finding.message.replace(
        "file://", ""
    )


def test_rows_of_days_outside_the_graph_are_counted_and_said(take_in):
    lines = lines_with(dict.fromkeys(range(12), spoilt("hour", "26112005")) | {12: spoilt("hour", "14102203")})
    store, found = take_in(**{"train.csv": csv(lines)})
    (account,) = found.days[DAY].accounts
    assert account.other_days == {"2014-10-22": 1, "2026-11-20": 12}
    assert (account.kept, account.closes) == ({DAY: 27}, True)
    finding = volume.days_of_the_graph(store, DAY, "2014-10-21", "2014-10-31")
    assert not finding.passed
    assert "12 rows are of days outside 2014-10-21 to 2014-10-31 (2026-11-20: 12)" in finding.message
    assert volume.days_of_the_graph(store, DAY, "2014-10-21", "2026-12-31").passed


def test_columns_without_a_name_that_nobody_reads_are_no_error(take_in):
    store, _ = take_in(**{"train.csv": csv([f"{i},{i},{line}" for i, line in enumerate(LINES)], f",,{HEADER}")})
    assert len(table(store, RAW_IMPRESSIONS, DAY)) == 40


def test_kaggles_own_download_is_read_and_a_labelled_row_wins_over_its_unlabelled_twin(take_in, landing):
    unlabelled = to_csv(impressions(DAY, 40), [name for name in COLUMNS if name != "click"])
    landing.mkdir()
    with zipfile.ZipFile(landing / "avazu-ctr-prediction.zip", "w") as archive:
        for name, data in (("train", csv(LINES)), ("test", unlabelled), ("sampleSubmission", b"id,click\n1,0.5\n")):
            archive.writestr(f"{name}.gz", gzip.compress(data))
    store, found = take_in()
    assert {row["click"] for row in table(store, RAW_IMPRESSIONS, DAY)} == {0, 1}
    assert [name.rpartition("member ")[2] for name in found.left_out] == ["sampleSubmission.gz)"]
    assert {a.source.rpartition("member ")[2]: a.duplicates for a in found.days[DAY].accounts} == {
        "train.gz)": {},
        "test.gz)": {DAY: 40},
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_blank_lines_and_a_byte_order_mark_are_accounted_for(take_in, end, last):
    text = "\ufeff\n".encode() + csv(["", *LINES[:20], "", "  ", *LINES[20:]], end=end)
    text = text if last else text.removesuffix(b"\n")
    store, found = take_in(**{"train.csv": text})
    (account,) = found.days[DAY].accounts
    assert [row["id"] for row in table(store, RAW_IMPRESSIONS, DAY)] == [line.split(",")[0] for line in LINES]
    assert (account.lines, account.header, account.blank, account.closes) == (45, 1, 4, True)


def test_nothing_is_committed_when_a_line_is_not_accounted_for(take_in, monkeypatch):
    store, _ = take_in(**{"train.csv": csv(LINES)})
    before = store.manifest(RAW_IMPRESSIONS, DAY)
    monkeypatch.setattr(
        parse, "parse_block", lambda text, *rest: parse_block(text[: text.rfind(b"\n", 0, -1) + 1], *rest)
    )
    told = "42 lines in its bytes, 41 accounted for (1 header, 0 blank, 40 kept, 0 duplicates, 0 quarantined, 0 other"
    with pytest.raises(LandingError, match=rf"train\.csv: {re.escape(told)}.*Nothing was committed"):
        take_in(**{"train.csv": csv([*LINES, with_cell(LINES[0], "id", "1")])})
    assert store.manifest(RAW_IMPRESSIONS, DAY) == before
