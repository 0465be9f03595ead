"""Whether a candidate becomes the champion: a pure decision; why it is so, ``docs/concepts/promotion.md``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ctr_assets.evaluation.comparison import Comparison

MARGIN: Final = 0.005
"""A fresher candidate must be shown to be worse by no more than this share of the champion's logloss: the one-sided
test of non-inferiority. Chosen by replay (``docs/concepts/promotion.md``)."""


@dataclass(frozen=True)
class Decision:
    """The outcome, what was found, and each comparison that led to it."""

    promoted: bool
    finding: str
    reasons: tuple[str, ...]

    @property
    def text(self) -> str:
        """In one sentence."""
        return f"{'Promoted' if self.promoted else 'Kept as it was'}: {self.finding}"


def decide(
    candidate: float | None,
    baselines: Mapping[str, float | None],
    champion: Comparison | None,
    *,
    is_fresher: bool = False,
    no_comparison: str | None = None,
    account: str | None = None,
) -> Decision:
    """Whether the candidate takes the champion's place.

    It must have a lower logloss than every baseline, in nats a row and all on the same rows. One that the rows leave
    undefined is None, and is not beaten.

    Beside the champion it must be better by more than chance. Where it ``is_fresher`` it need only be shown to be worse
    by no more than :data:`MARGIN`: what is in use grows worse every day that it is not replaced.

    ``champion`` is the comparison with the champion, None where there are no rows to compare on; then the champion
    stays. ``no_comparison`` says why there is no champion to compare with; then the baselines decide. An ``account`` is
    told among the reasons.
    """
    if candidate is None:
        return Decision(False, "the candidate has no rows to be judged by", ("Its logloss is not defined",))
    reasons = [_beside(candidate, name, logloss) for name, logloss in baselines.items()]
    lost = [
        f"{name} ({'undefined' if logloss is None else f'{logloss:.5f}'})"
        for name, logloss in baselines.items()
        if logloss is None or candidate >= logloss
    ]
    if no_comparison is None:
        reasons.insert(0, "No rows to compare with the champion on" if champion is None else _capital(champion.text))
    else:
        reasons.insert(0, no_comparison)
    if account is not None:
        reasons.append(account)
    if lost:
        return Decision(False, f"a logloss of {candidate:.5f} does not beat {' and '.join(lost)}", tuple(reasons))
    if no_comparison is not None:
        found = ", ".join(f"{name} ({logloss:.5f})" for name, logloss in baselines.items())
        return Decision(True, f"a logloss of {candidate:.5f} beats {found}", tuple(reasons))
    promoted, finding = _beside_champion(champion, is_fresher)
    return Decision(promoted, finding, tuple(reasons))


def _beside_champion(comparison: Comparison | None, is_fresher: bool) -> tuple[bool, str]:
    if comparison is None:
        return False, "there are no rows to compare the candidate and the champion on"
    if comparison.is_better:
        return True, f"the candidate beats the champion: {comparison.text}"
    if not is_fresher:
        return False, f"the candidate, not fresher than the champion, does not beat it: {comparison.text}"
    if comparison.is_no_worse(MARGIN):
        return True, f"the candidate is fresher than the champion and not worse by over {MARGIN:.1%}: {comparison.text}"
    return False, f"the candidate, fresher than the champion, may be worse by over {MARGIN:.1%}: {comparison.text}"


def _beside(candidate: float, name: str, logloss: float | None) -> str:
    if logloss is None:
        return f"The logloss of {name} is not defined on these rows"
    verb = "beats" if candidate < logloss else "does not beat"
    return f"Logloss {candidate:.5f} {verb} {name}'s {logloss:.5f} ({candidate / logloss - 1:+.2%})"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
