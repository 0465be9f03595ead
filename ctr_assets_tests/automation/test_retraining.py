"""Whether to train, for which days, and the sentence that says why."""

import pytest

from ctr_assets.automation.retraining import DECIDED_FROM, Policy, decide_retraining
from ctr_assets_tests.automation.tables import DAYS, Tables, window_of

UNLABELLED = {"train": 0, "validation": 0, "test": 0, "unlabelled": 50}
REFERENCE = {"normalized_entropy": 0.8, "calibration_ratio": 1.0}


@pytest.fixture
def tables(tmp_path):
    tables = Tables(tmp_path)
    for day in DAYS[:2]:
        tables.day(day)
    return tables


def decide(tables, failed_check=lambda day: None, **policy):
    return decide_retraining(tables.read(DECIDED_FROM), Policy(**policy), window_of, failed_check)


def trained(decision):
    return [(training.day, training.why) for training in decision.trainings]


def test_the_first_model_is_of_the_newest_labelled_day(tables):
    tables.day(DAYS[2], splits=UNLABELLED)
    assert trained(decide(tables)) == [(DAYS[1], "there is no model yet")]


def test_nothing_is_trained_without_labels(tmp_path):
    tables = Tables(tmp_path)
    tables.day(DAYS[0], splits=UNLABELLED)
    assert decide(tables).reason == "No encoded day has labelled rows"


def test_a_day_with_a_model_is_left_alone(tables):
    tables.model(DAYS[1])
    decision = decide(tables)
    assert (trained(decision), decision.reason) == ([], f"The newest labelled day, {DAYS[1]}, has a model")


def test_a_newer_day_is_trained(tables):
    tables.model(DAYS[0])
    assert trained(decide(tables)) == [(DAYS[1], f"1 day with labels came after the newest model, of {DAYS[0]}")]


def test_fewer_new_days_than_asked_for_wait(tables):
    tables.model(DAYS[0])
    decision = decide(tables, train_after_days=2)
    assert trained(decision) == []
    assert decision.reason == (
        f"1 day with labels came after the newest model, of {DAYS[0]}: fewer than 2, and nothing speaks against the "
        f"champion on {DAYS[1]}"
    )
    tables.day(DAYS[2])
    assert trained(decide(tables, train_after_days=2))[0][0] == DAYS[2]


def against(entropy=0.8, calibration=1.0):
    return {"normalized_entropy": entropy, "calibration_ratio": calibration}


@pytest.mark.parametrize(
    ("metrics", "reference", "why"),
    [
        (against(entropy=0.815), REFERENCE, None),
        (
            against(entropy=0.84),
            REFERENCE,
            "the normalized entropy of the champion of 2014-10-21 grew by 5.0% from 0.8000 to 0.8400, more than 2.0%",
        ),
        (against(entropy=0.7), REFERENCE, None),
        (against(entropy=0.9), None, None),
        (against(calibration=1.05), REFERENCE, None),
        (against(calibration=1.2), None, "the champion of 2014-10-21 predicts 1.200 times the clicks there are, more"),
        (against(calibration=0.8), REFERENCE, "the champion of 2014-10-21 predicts 0.800 times the clicks there are"),
        ({"normalized_entropy": None, "calibration_ratio": None}, REFERENCE, None),
        (None, None, None),
    ],
)
def test_a_champion_that_does_badly_is_not_waited_for(tables, metrics, reference, why):
    tables.model(DAYS[0])
    tables.validation(DAYS[1], metrics, reference)
    decision = decide(tables, train_after_days=5)
    assert [day for day, _ in trained(decision)] == ([] if why is None else [DAYS[1]])
    assert why is None or trained(decision)[0][1].startswith(f"on {DAYS[1]} {why}")


def test_what_was_measured_on_rows_that_have_changed_does_not_count(tables):
    tables.model(DAYS[0])
    tables.validation(DAYS[1], against(calibration=2), REFERENCE)
    tables.day(DAYS[1], "others")
    assert trained(decide(tables, train_after_days=5)) == []


def test_models_whose_days_changed_are_trained_again_and_say_which(tables):
    for day in DAYS[:2]:
        tables.model(day)
    for day in DAYS[:2]:
        tables.day(day, "others")
    assert trained(decide(tables)) == [
        (DAYS[0], f"it was trained on what has changed since: {DAYS[0]}"),
        (DAYS[1], f"it was trained on what has changed since: {DAYS[0]}, {DAYS[1]}"),
    ]
    for day in DAYS[:2]:
        tables.model(day)
    assert trained(decide(tables)) == []


def test_a_model_that_went_on_is_out_of_date_with_any_day_that_it_learnt_from(tables):
    tables.model(DAYS[0])
    tables.continued_model(DAYS[1])
    assert trained(decide(tables)) == []
    tables.encoded(DAYS[0], "others")
    decision = decide(tables)
    why = f"it was trained on what has changed since: {DAYS[0]}"
    assert trained(decision) == [(DAYS[0], why), (DAYS[1], why)]


def test_what_speaks_against_the_champion_speaks_against_going_on_from_it(tables):
    tables.model(DAYS[0])
    assert not decide(tables).trainings[0].from_scratch
    tables.validation(DAYS[1], against(calibration=1.2))
    (training,) = decide(tables).trainings
    assert training.from_scratch
    assert training.why.startswith(f"on {DAYS[1]} the champion of {DAYS[0]} predicts 1.200 times the clicks")


def test_a_day_that_came_out_the_same_trains_nothing(tables):
    tables.model(DAYS[1])
    tables.day(DAYS[0])
    assert trained(decide(tables)) == []


def test_a_run_key_is_of_what_would_be_read(tables):
    first = decide(tables).trainings[0].run_key
    assert first == decide(tables).trainings[0].run_key
    assert first.startswith(f"{DAYS[1]}:")
    tables.day(DAYS[0], "others")
    assert decide(tables).trainings[0].run_key != first


def test_a_failed_check_of_the_newest_day_stops_its_training(tables):
    decision = decide(tables, lambda day: f"check x of {day} failed: too few" if day == DAYS[1] else None)
    assert (trained(decision), decision.reason) == (
        [],
        f"{DAYS[1]} is not trained: check x of {DAYS[1]} failed: too few",
    )


def test_a_failed_check_of_a_changed_day_stops_training_again(tables):
    tables.model(DAYS[1])
    tables.day(DAYS[0], "others")
    decision = decide(tables, lambda day: "it is bad" if day == DAYS[0] else None)
    assert trained(decision) == []
    assert f"The model of {DAYS[1]} is out of date but not trained again: it is bad" in decision.reason


def test_a_window_with_a_day_missing_is_not_trained(tmp_path):
    tables = Tables(tmp_path)
    tables.day(DAYS[0])
    tables.day(DAYS[2])
    decision = decide(tables)
    assert decision.reason == f"{DAYS[2]} is not trained: encoded_features of its window lacks {DAYS[1]}"
