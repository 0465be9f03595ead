"""How much was delivered: schema, rows, rejected and repeated rows, and that no line is missing."""

from statistics import median

import pyarrow as pa

from ctr_assets.landing.account import ACCOUNT_COLUMNS, LineAccount, account_rows, rows_outside
from ctr_assets.quality.finding import Finding
from ctr_assets.quality.trailing import TRAILING_DAYS, trailing_week
from ctr_assets.storage import Manifest, Store
from ctr_assets.tables import LINE_ACCOUNT, QUARANTINE, RAW_IMPRESSIONS, columns_of


def schema_is(store: Store, table: str, day: str, schema: pa.Schema) -> Finding:
    """The table's files have exactly the columns and types of ``schema``, whatever its manifest says."""
    manifest, expected = store.manifest(table, day), columns_of(schema)
    wrong = {}
    for file in manifest.files:
        with store.parquet(manifest, file) as parquet:
            # A dictionary is how a string is stored, not what it is.
            found = {f.name: str(getattr(f.type, "value_type", f.type)) for f in parquet.schema_arrow}
        if found != expected:
            wrong[file.name] = found
    if not wrong:
        return Finding(True, f"{len(manifest.files)} files have the {len(expected)} columns of {table}")
    name, found = next(iter(wrong.items()))
    missing, others = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    retyped = [f"{c} is {found[c]}, not {t}" for c, t in expected.items() if c in found and found[c] != t]
    told = [f"missing {', '.join(missing)}"] if missing else []
    told += [f"unexpected {', '.join(others)}"] if others else []
    message = f"{len(wrong)} of {len(manifest.files)} files differ, first {name}: {'; '.join([*told, *retyped])}"
    return Finding(False, message)


def has_rows(store: Store, day: str) -> Finding:
    """The day has impressions at all; a gap day is empty and valid, but somebody should know."""
    rows = store.manifest(RAW_IMPRESSIONS, day).rows
    message = f"{rows:,} impressions" if rows else f"No impression was delivered for {day}; expected at least one"
    return Finding(rows > 0, message, {"rows": rows})


def row_volume(store: Store, day: str, max_ratio: float) -> Finding:
    """Rows of the day beside the median of the trailing week: not ``max_ratio`` times more, nor as many times fewer."""
    rows = store.manifest(RAW_IMPRESSIONS, day).rows
    week = trailing_week(store, RAW_IMPRESSIONS, day, lambda manifest: manifest.rows)
    if not rows or not week.days:
        nothing = f"nothing to compare with in the {TRAILING_DAYS} days before{week.left_out}"
        return Finding(True, f"{rows:,} impressions; {nothing}")
    usual = median(week.days)
    ratio = rows / usual
    expected = f"expected {usual / max_ratio:,.0f} to {usual * max_ratio:,.0f}"
    message = (
        f"{rows:,} impressions, {ratio:.2f} x the median of the {len(week.days)} days before ({usual:,.0f}); {expected}"
        f"{week.left_out}"
    )
    return Finding(1 / max_ratio <= ratio <= max_ratio, message, {"rows": rows, "usual_rows": usual, "ratio": ratio})


def quarantine_rate(store: Store, day: str, max_share: float) -> Finding:
    """Share of the day's delivered rows that were rejected."""
    manifest = store.find(QUARANTINE, day)
    rejected = 0 if manifest is None else manifest.rows
    share = rejected / max(1, rejected + store.manifest(RAW_IMPRESSIONS, day).rows)
    message = f"{rejected:,} rows rejected, {share:.3%} of the day; expected at most {max_share:.3%}"
    return Finding(share <= max_share, message, {"rejected_rows": rejected, "rejected_share": share})


def every_line_accounted_for(store: Store, day: str) -> Finding:
    """Every line of each file that may hold the day is the header, blank, or a row of which is known what became.

    The rows that the accounts say were kept and rejected are those of the committed tables.
    """
    raw, rejected = store.manifest(RAW_IMPRESSIONS, day), store.find(QUARANTINE, day)
    if LINE_ACCOUNT not in raw.properties:
        return Finding(False, f"made before lines were accounted for: materialize {RAW_IMPRESSIONS} for {day} again")
    accounts = _accounts(raw)
    figures = {
        "lines": sum(account.lines for account in accounts),
        "accounted_for": sum(account.accounted_for for account in accounts),
    }
    wrong = [str(account) for account in accounts if not account.closes]
    for what, said, found in (
        ("kept", sum(account.kept.get(day, 0) for account in accounts), raw.rows),
        ("rejected", sum(account.quarantined.get(day, 0) for account in accounts), rejected.rows if rejected else 0),
    ):
        if said != found:
            wrong.append(f"{said:,} rows of {day} were {what}, but its table has {found:,}")
    files = f"{len(accounts)} {'file' if len(accounts) == 1 else 'files'}"
    message = f"{figures['lines']:,} lines in {files}, {figures['accounted_for']:,} accounted for"
    table = [ACCOUNT_COLUMNS, *account_rows(accounts)]
    return Finding(not wrong, "; ".join([message, *wrong, "expected every one"]), figures, table)


def duplicate_rate(store: Store, day: str, max_share: float) -> Finding:
    """Share of the day's delivered rows that were left out because a row with their id came before."""
    raw = store.manifest(RAW_IMPRESSIONS, day)
    by_file = {account.source: account.duplicates.get(day, 0) for account in _accounts(raw)}
    repeated = sum(by_file.values())
    share = repeated / max(1, repeated + raw.rows)
    message = (
        f"{repeated:,} rows repeat an id that came before, {share:.3%} of the day; expected at most {max_share:.3%}"
    )
    if share > max_share:
        most = max(by_file, key=by_file.__getitem__)
        message += f". Most are in {most} ({by_file[most]:,}): was it delivered twice, or was the id spoilt?"
    return Finding(share <= max_share, message, {"duplicate_rows": repeated, "duplicate_share": share})


def days_of_the_graph(store: Store, day: str, first: str, last: str) -> Finding:
    """No file that may hold the day has rows of days outside the graph, which no run takes."""
    outside = rows_outside(_accounts(store.manifest(RAW_IMPRESSIONS, day)), first, last)
    rows = sum(outside.values())
    told = f" ({', '.join(f'{each}: {count:,}' for each, count in outside.items())})" if outside else ""
    message = f"{rows:,} rows are of days outside {first} to {last}{told}; expected none"
    return Finding(not rows, message, {"outside_rows": rows})


def _accounts(raw: Manifest) -> list[LineAccount]:
    return [LineAccount.model_validate(account) for account in raw.properties.get(LINE_ACCOUNT, ())]
