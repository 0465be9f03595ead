import pytest

from ctr_assets.evaluation.comparison import Comparison
from ctr_assets.evaluation.promotion import MARGIN, decide

BASELINES: dict[str, float | None] = {"the GBT baseline": 0.40, "the constant rate": 0.45}
FIRST = "There is no champion yet"
ROWS = "rows of 2014-10-31, the day that follows"


def beside_champion(increase: float, standard_error: float | None = 0.001, champion: float = 0.38) -> Comparison:
    """Both numbers relative to the champion's logloss."""
    error = None if standard_error is None else standard_error * champion
    candidate = champion * (1 + increase)
    return Comparison(ROWS, 41_234, 7_000, candidate, champion, candidate - champion, error)


@pytest.mark.parametrize(
    ("increase", "standard_error", "is_fresher", "promoted"),
    [
        pytest.param(-0.01, 0.001, False, True, id="better by ten standard errors"),
        pytest.param(-0.01, 0.001, True, True, id="better and fresher"),
        pytest.param(-0.01, 0.006, False, False, id="better, but it may be chance"),
        pytest.param(-0.01, 0.006, True, True, id="better, perhaps by chance, and fresher"),
        pytest.param(0.0, 0.006, True, False, id="equal and fresher, but on rows too few to show it"),
        pytest.param(-0.01, None, False, False, id="better, nobody knows how surely"),
        pytest.param(-0.01, None, True, False, id="fresher, but nobody knows how surely better"),
        pytest.param(0.0, 0.001, False, False, id="equal and of the same day"),
        pytest.param(0.0, 0.0, False, False, id="the very same predictions"),
        pytest.param(0.0, 0.0, True, True, id="the very same predictions, fresher"),
        pytest.param(0.9 * MARGIN, 0.0001, True, True, id="a little worse and fresher"),
        pytest.param(0.9 * MARGIN, 0.001, True, False, id="a little worse, perhaps by more than the margin"),
        pytest.param(0.9 * MARGIN, 0.0001, False, False, id="a little worse"),
        pytest.param(1.1 * MARGIN, 0.0001, True, False, id="fresher, but worse by more than the margin"),
        pytest.param(0.10, None, True, False, id="fresher, but much worse"),
    ],
)
def test_a_champion_is_replaced_by_what_is_better_or_fresher_and_about_as_good(
    increase, standard_error, is_fresher, promoted
):
    comparison = beside_champion(increase, standard_error)
    decision = decide(0.39, BASELINES, comparison, is_fresher=is_fresher)
    assert decision.promoted is promoted
    assert decision.text.startswith("Promoted: " if promoted else "Kept as it was: ")
    # The numbers, in one sentence.
    assert decision.text.endswith(comparison.text)
    assert f"{comparison.candidate:.5f} against 0.38000, {increase:+.2%}" in decision.text
    assert f"on 41,234 {ROWS}" in decision.text


@pytest.mark.parametrize("is_fresher", [True, False])
@pytest.mark.parametrize(
    ("candidate", "baselines", "lost"),
    [
        (0.41, BASELINES, ["the GBT baseline (0.40000)"]),
        (0.40, BASELINES, ["the GBT baseline (0.40000)"]),
        (0.50, BASELINES, ["the GBT baseline (0.40000)", "the constant rate (0.45000)"]),
        (0.39, {"the GBT baseline": None}, ["the GBT baseline (undefined)"]),
    ],
)
def test_who_does_not_beat_every_baseline_is_kept_out_however_it_stands_beside_the_champion(
    candidate, baselines, lost, is_fresher
):
    for comparison, reason in ((beside_champion(-0.5), None), (None, FIRST)):
        decision = decide(candidate, baselines, comparison, is_fresher=is_fresher, no_comparison=reason)
        assert not decision.promoted
        assert decision.text == (f"Kept as it was: a logloss of {candidate:.5f} does not beat {' and '.join(lost)}")
        assert len(decision.reasons) == 1 + len(baselines)


def test_without_a_champion_the_baselines_decide():
    decision = decide(0.39, BASELINES, None, no_comparison=FIRST)
    assert decision.promoted
    assert decision.text.endswith("0.39000 beats the GBT baseline (0.40000), the constant rate (0.45000)")
    assert decision.reasons[0] == FIRST


def test_without_rows_to_compare_on_the_champion_stays():
    decision = decide(0.39, BASELINES, None, is_fresher=True)
    assert not decision.promoted
    assert "no rows to compare" in decision.text


def test_without_rows_of_its_own_a_candidate_is_not_promoted():
    decision = decide(None, BASELINES, None, no_comparison=FIRST)
    assert not decision.promoted
    assert decision.reasons


def test_the_account_of_several_days_counts_each_by_its_rows():
    days = [
        Comparison("rows", 1_000, 100, 0.40, 0.41, -0.01, 0.004),
        Comparison("rows", 3_000, 500, 0.42, 0.41, 0.01, 0.003),
    ]
    account = Comparison.of_days(days)
    assert (account.rows, account.clicks) == (4_000, 600)
    assert account.difference == pytest.approx(0.005)
    assert account.candidate - account.champion == pytest.approx(account.difference)
    assert account.standard_error == pytest.approx(((0.25 * 0.004) ** 2 + (0.75 * 0.003) ** 2) ** 0.5)
    assert "4,000 rows of 2 days" in account.text
    unsure = Comparison.of_days([*days, Comparison("rows", 10, 0, 0.3, 0.3, 0.0, None)])
    assert unsure.standard_error is None
    decision = decide(0.39, BASELINES, beside_champion(0.1), account=account.text)
    assert decision.reasons[-1] == account.text
    assert account.text not in decision.text


def test_a_comparison_comes_back_from_a_manifest_as_it_was():
    comparison = beside_champion(0.01)
    assert Comparison.from_properties(comparison.to_properties()) == comparison
    assert Comparison.from_properties(None) is None
