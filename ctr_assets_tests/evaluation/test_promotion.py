import pytest

from ctr_assets.evaluation.promotion import decide

BASELINES: dict[str, float | None] = {"the GBT baseline": 0.40, "the constant rate": 0.45}
FIRST = "There is no champion yet"


@pytest.mark.parametrize(
    ("candidate", "champion", "no_comparison", "promoted"),
    [
        pytest.param(0.39, 0.395, None, True, id="beats all"),
        pytest.param(0.39, 0.39, None, False, id="equal champion stays"),
        pytest.param(0.39, 0.38, None, False, id="champion is better"),
        pytest.param(0.41, 0.42, None, False, id="beats champion but not the GBT"),
        pytest.param(0.40, 0.42, None, False, id="equal to the GBT"),
        pytest.param(0.39, None, FIRST, True, id="no champion, beats the baselines"),
        pytest.param(0.41, None, FIRST, False, id="no champion, does not beat the GBT"),
        pytest.param(0.39, None, None, False, id="champion's logloss undefined"),
        pytest.param(None, 0.38, None, False, id="no test rows"),
    ],
)
def test_only_what_beats_the_champion_and_the_baselines_is_promoted(candidate, champion, no_comparison, promoted):
    decision = decide(candidate, BASELINES, champion, no_comparison=no_comparison)
    assert decision.promoted is promoted
    assert decision.text.startswith("Promoted" if promoted else "Kept")
    assert decision.reasons
    assert no_comparison is None or decision.reasons[0] == no_comparison


def test_a_refusal_names_every_rival_that_was_not_beaten():
    decision = decide(0.50, BASELINES, 0.49)
    assert decision.text.endswith("the champion and the GBT baseline and the constant rate")
    assert len(decision.reasons) == 3
