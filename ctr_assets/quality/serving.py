"""Whether what is used says what the champion says, of every row."""

from ctr_assets.quality.finding import Finding
from ctr_assets.serving import TOLERANCE, is_export_of
from ctr_assets.storage import Store
from ctr_assets.tables import CHAMPION_MODEL, CLICK_PREDICTIONS, CURRENT, RAW_IMPRESSIONS, SERVING_MODEL


def says_what_the_champion_says(store: Store) -> Finding:
    """The exported file is of the champion as it is, and gave its probabilities on its test rows, to rounding."""
    exported, champion = store.manifest(SERVING_MODEL, CURRENT), store.manifest(CHAMPION_MODEL, CURRENT)
    told = exported.properties
    rows, undefined, greatest = told["compared_rows"], told["undefined_rows"], told["greatest_difference"]
    figures = {"compared_rows": rows, "undefined_rows": undefined, "greatest_difference": greatest}
    if not is_export_of(exported, champion):
        message = f"the file is the model of {told['day']}, the champion is that of {champion.properties['day']}"
        return Finding(False, f"{message}: materialize {SERVING_MODEL} again", figures)
    message = (
        f"{rows:,} test rows differ by at most {greatest:.1e}, {undefined:,} are NaN; expected at least 1 row, at most "
        f"{TOLERANCE:g}, no NaN"
    )
    return Finding(rows > 0 and not undefined and greatest <= TOLERANCE, message, figures)


def every_row_predicted(store: Store, day: str) -> Finding:
    """As many probabilities as raw rows, of the raw rows that are current, and no NaN."""
    predictions, raw = store.manifest(CLICK_PREDICTIONS, day), store.manifest(RAW_IMPRESSIONS, day)
    undefined = predictions.properties["undefined_rows"]
    figures = {"predictions": predictions.rows, "impressions": raw.rows, "undefined_rows": undefined}
    if predictions.inputs.get(raw.reference) != raw.version:
        message = f"{RAW_IMPRESSIONS}[{day}] was delivered again after its predictions were made: make them again"
        return Finding(False, message, figures)
    message = f"{predictions.rows:,} predictions of {raw.rows:,} impressions, {undefined:,} are NaN; expected all, none"
    return Finding(predictions.rows == raw.rows and not undefined, message, figures)
