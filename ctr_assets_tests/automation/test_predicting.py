"""Which days the champion must predict, and the sentence that says why."""

import pytest

from ctr_assets.automation.predicting import days_to_predict
from ctr_assets_tests.automation.tables import DAYS, Tables


@pytest.fixture
def tables(tmp_path):
    tables = Tables(tmp_path)
    for day in DAYS[:3]:
        tables.day(day)
    return tables


def decide(tables, newest_days=1, failed_check=lambda day: None):
    found = tables.read(("encoded_features", "click_predictions"))
    champion, exported = (tables.store.find(table, "current") for table in ("champion_model", "serving_model"))
    encoded, predictions = found.values()
    return days_to_predict(encoded, predictions, champion, exported, newest_days, failed_check)


def days(due):
    return [each.first for each in due.days]


def test_nothing_is_predicted_before_there_is_a_champion(tables):
    assert (days(decide(tables)), decide(tables).reason) == ([], "There is no champion yet")


def test_the_first_champion_predicts_the_newest_days(tables):
    tables.champion(DAYS[0])
    assert days(decide(tables)) == [DAYS[2]]
    assert days(decide(tables, newest_days=2)) == DAYS[1:3]
    assert days(decide(tables, newest_days=9)) == DAYS[:3]
    assert days(decide(tables, newest_days=0)) == []


def test_every_new_day_is_predicted_however_many_came_at_once(tables):
    tables.champion(DAYS[0])
    tables.predictions(DAYS[0])
    assert days(decide(tables)) == DAYS[1:3]
    for day in DAYS[1:3]:
        tables.predictions(day)
    due = decide(tables)
    assert (days(due), due.reason) == ([], f"The champion of {DAYS[0]} has predicted what there is")
    tables.day(DAYS[3])
    assert [(each.first, each.why) for each in decide(tables).days] == [(DAYS[3], f"{DAYS[3]} has no predictions")]


def test_a_promotion_predicts_the_newest_day_again_and_no_other(tables):
    tables.champion(DAYS[0])
    for day in DAYS[:3]:
        tables.predictions(day)
    before = decide(tables, newest_days=3)
    tables.champion(DAYS[1])
    (due,) = decide(tables).days
    assert (due.first, due.why) == (DAYS[2], f"{DAYS[2]} was predicted by the champion before, of {DAYS[0]}")
    assert days(before) == []


def test_a_day_whose_rows_changed_is_predicted_again_however_old(tables):
    tables.champion(DAYS[0])
    for day in DAYS[:3]:
        tables.predictions(day)
    tables.raw(DAYS[0], "others")
    tables.encoded(DAYS[0], "others")
    (due,) = decide(tables).days
    assert (due.first, due.why) == (DAYS[0], f"the rows of {DAYS[0]} have changed since they were predicted")


def test_a_day_that_a_check_stopped_is_not_predicted(tables):
    tables.champion(DAYS[0])
    due = decide(tables, failed_check=lambda day: f"check click_rate of {day} failed")
    assert days(due) == []
    assert due.reason == f"{DAYS[2]} has no predictions, but check click_rate of {DAYS[2]} failed"


def test_a_day_before_the_champions_waits_for_the_exported_file(tables):
    tables.champion(DAYS[0])
    tables.exported()
    tables.champion(DAYS[2])
    due = decide(tables, newest_days=2)
    assert days(due) == [DAYS[2]]
    assert due.reason == f"{DAYS[1]} has no predictions, but the champion is not exported yet"
    tables.exported()
    assert days(decide(tables, newest_days=2)) == DAYS[1:3]


def test_the_same_rows_and_champion_are_asked_for_once(tables):
    tables.champion(DAYS[0])
    (first,), (again,) = decide(tables).days, decide(tables).days
    assert first.run_key == again.run_key
    tables.champion(DAYS[1])
    assert decide(tables).days[0].run_key != first.run_key
