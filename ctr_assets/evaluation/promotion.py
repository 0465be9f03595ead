"""Whether a candidate becomes the champion: a pure decision over loglosses on the same rows."""

from dataclasses import dataclass


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
    baselines: dict[str, float | None],
    champion: float | None,
    *,
    no_comparison: str | None = None,
) -> Decision:
    """Compare loglosses, each in nats a row on the same rows; None where those rows leave it undefined.

    The candidate must be strictly better than every baseline, and than the champion unless ``no_comparison`` says why
    there is none to compare with. An equal champion stays: replacing it would change what is served for nothing.
    """
    if candidate is None:
        return Decision(
            False, "the candidate has no test rows to be judged by", ("The candidate's logloss is not defined",)
        )
    rivals = dict(baselines) if no_comparison else {"the champion": champion, **baselines}
    lost = [name for name, logloss in rivals.items() if logloss is None or candidate >= logloss]
    reasons = [_compared(candidate, name, logloss) for name, logloss in rivals.items()]
    if no_comparison:
        reasons.insert(0, no_comparison)
    if lost:
        return Decision(False, f"the candidate does not beat {' and '.join(lost)}", tuple(reasons))
    return Decision(True, f"the candidate beats {' and '.join(rivals)}", tuple(reasons))


def _compared(candidate: float, name: str, logloss: float | None) -> str:
    if logloss is None:
        return f"The logloss of {name} is not defined on these rows"
    verb = "beats" if candidate < logloss else "does not beat"
    return f"Logloss {candidate:.6f} {verb} {name}'s {logloss:.6f} ({candidate / logloss - 1:+.3%})"
