"""Whatever the bytes of a delivery are, the account of its lines closes, and every valid row is kept as it is.

Valid is what a plain reading says, line by line, written here on its own. CTR_EXAMPLES sets how many files are made.
"""

import gzip
import os
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ctr_assets.etl import csv_block, deduplicate, lines, raw
from ctr_assets.etl.plan import plan_tasks
from ctr_assets.storage import Store
from ctr_assets.tables import QUARANTINE, RAW_IMPRESSIONS
from ctr_assets_tests.deliveries import COLUMNS, impressions

DAYS = ["2014-10-21", "2014-10-22"]
OTHER = "2014-10-23"
EXAMPLES = int(os.environ.get("CTR_EXAMPLES", "150"))
LONGEST_FIELD = 4096
NO_SPARK: Any = None
POOL = [",".join(row[name] for name in COLUMNS).encode() for day in (*DAYS, OTHER) for row in impressions(day, 6)]


def fields_of(line):
    """The fields of a line by the rules of RFC 4180, taken generously; None when a quote does not close."""
    fields, current, quoted, at_start = [], "", False, True
    position = 0
    while position < len(line):
        character = line[position]
        if quoted and character == '"':
            if line[position + 1 : position + 2] == '"':
                current += '"'
                position += 1
            else:
                quoted = False
        elif quoted:
            current += character
        elif character == '"' and at_start:
            quoted, at_start = True, False
        elif character == ",":
            fields.append(current)
            current, at_start = "", True
        else:
            current += character
            at_start = False
        position += 1
    return None if quoted else [*fields, current]


def plain_reading(data):
    """Day -> valid rows (columns as delivered) of data lines, and how many lines are blank; header left out."""
    kept: dict[str, dict[str, dict[str, str]]] = {day: {} for day in DAYS}
    blank = 0
    for raw_line in data:
        line = raw_line
        for _ in range(2):
            line = line.removesuffix(b"\r")
        if not line.strip(b" \t\x0b\x0c\r"):
            blank += b"\r" not in line
            continue
        if b"\r" in line:
            continue
        try:
            fields = fields_of(line.decode())
        except UnicodeDecodeError:
            continue
        if fields is None or len(fields) != len(COLUMNS):
            continue
        row = dict(zip(COLUMNS, fields, strict=True))
        day = next((d for d in DAYS if row["hour"][:6] == d[2:].replace("-", "")), None)
        is_hour = len(row["hour"]) == 8 and row["hour"][6:] in {f"{hour:02d}" for hour in range(24)}
        is_short = all(len(value.encode()) <= LONGEST_FIELD for value in fields)
        if day and is_hour and is_short and all(fields) and row["click"] in ("0", "1"):
            kept[day].setdefault(row["id"], row)
    return kept, blank


TOKENS = [
    *(b'"', b'""', b'","', b",", b"\r", b"\x00", b"\xff", b"\xc3", b"\xc3\xa9", b"\xef\xbb\xbf", b" ", b"'", b"\\"),
    *(b"\x1a", b"\xe2\x80\xa8", b"x" * 4097, b"\t", b";"),
]


@st.composite
def spoilt(draw):
    line = bytearray(draw(st.sampled_from(POOL)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(line)))
        line[at:at] = draw(st.sampled_from(TOKENS))
    return bytes(line)


@st.composite
def quoted(draw):
    """A row of which some fields are quoted, as a spreadsheet or a database writes it."""
    fields = draw(st.sampled_from(POOL)).split(b",")
    for at in draw(st.sets(st.integers(0, len(fields) - 1), min_size=1, max_size=24)):
        extra = draw(st.sampled_from([b"", b",", b'""', b" ", b"\xc3\xa9"])) if at > 2 else b""
        fields[at] = b'"' + fields[at] + extra + b'"'
    return b",".join(fields)


A_LINE = st.one_of(
    st.sampled_from(POOL),
    st.sampled_from(POOL),
    quoted(),
    spoilt(),
    st.sampled_from([b"", b" ", b"\t ", b",", b"," * 23, b"\x00", b"\r", b",".join(n.encode() for n in COLUMNS)]),
    st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")),
)
DATA_LINES = st.integers(0, 30).flatmap(lambda count: st.lists(A_LINE, min_size=count, max_size=count))


@st.composite
def deliveries(draw):
    """The header and the lines of a file, and its bytes."""
    before = draw(st.sampled_from([b"", b"\xef\xbb\xbf", b"\n", b"\r\n \n"]))
    separator = draw(st.sampled_from([b",", b'","']))
    quote = b'"' if separator != b"," else b""
    header = quote + separator.join(name.encode() for name in COLUMNS) + quote
    ends = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r\r\n"])
    found = draw(DATA_LINES)
    text = before + header + b"\n" + b"".join(line + draw(ends) for line in found)
    if draw(st.booleans()):
        text = text.removesuffix(b"\n")
    return before.count(b"\n"), text


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("lines")


def pack(path, text, how):
    if how == "gz":
        path.write_bytes(gzip.compress(text[:99], mtime=0) + gzip.compress(text[99:], mtime=0))
    elif how == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("train.csv", text)
    else:
        path.write_bytes(text)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    delivery=deliveries(),
    how=st.sampled_from(["plain", "gz", "zip"]),
    split_bytes=st.integers(1, 4000),
    block_bytes=st.integers(1, 4000),
    piece_bytes=st.integers(1, 4000),
)
def test_the_account_closes_and_every_valid_row_is_kept(place, delivery, how, split_bytes, block_bytes, piece_bytes):
    blank_before, text = delivery
    landing, store = place / "landing", Store(str(place / "store"))
    landing.mkdir(exist_ok=True)
    pack(landing / "train.csv", text, how)
    with pytest.MonkeyPatch.context() as patch:
        for module in (raw, deduplicate):
            patch.setattr(module, "run_tasks", lambda _, items, function: [function(item) for item in items])
        patch.setattr(raw, "plan_tasks", lambda files: plan_tasks(files, max(split_bytes, len(text) // 40)))
        patch.setattr(lines, "BLOCK_BYTES", block_bytes)
        patch.setattr(csv_block, "_PIECE_BYTES", piece_bytes)
        found = raw.ingest(NO_SPARK, store, str(landing), DAYS, max_quarantined_share=1, created_by={})
    (account,) = found.days[DAYS[0]].accounts
    data = text.split(b"\n")
    header = blank_before + 1
    data_of = data[header:] if text.endswith(b"\n") is False else data[header:-1]
    expected, blank = plain_reading(data_of)
    event(f"{how}, {sum(map(len, expected.values())) // 5 * 5}+ rows kept")
    assert account.lines == account.accounted_for == len(data) - text.endswith(b"\n")
    assert account.blank == blank_before + blank
    for day in DAYS:
        committed = [row for file in found.days[day].raw.files for row in rows_of(store, RAW_IMPRESSIONS, day, file)]
        assert [delivered(row) for row in committed] == list(expected[day].values())
    assert found.undated is not None
    quarantined = [*(found.days[day].quarantined for day in DAYS), found.undated]
    assert sum(manifest.rows for manifest in quarantined) == sum(account.quarantined.values())
    assert all(
        row["reason"] for m in quarantined for f in m.files for row in rows_of(store, QUARANTINE, m.partition, f)
    )


def rows_of(store, table, day, file):
    return store.parquet(store.manifest(table, day), file).read().to_pylist()


def delivered(row):
    return {**row, "click": str(row["click"]), "hour": f"{row['hour']:%y%m%d%H}"}
