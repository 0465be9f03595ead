"""How the texts of the delivered files are cut into tasks."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

from ctr_assets.etl.header import Header, NotAnImpressionLogError, read_header
from ctr_assets.landing.containers import Text, texts_of
from ctr_assets.landing.errors import LandingError
from ctr_assets.landing.files import LandingFile

SPLIT_BYTES: Final = 48 << 20
"""Bytes of plain CSV a task parses at once, about 300,000 impressions: several tasks a core, little memory."""
_SUBMISSION: Final = "predictions of a competition, no impression log"
_NO_DATA: Final = "not called like data, and without the header of an impression log"


@dataclass(frozen=True)
class ParseTask:
    """Bytes ``[start, end)`` of a text; ``end`` is None for one that cannot be split, which one task reads to its end.

    ``rank`` is the position among all tasks, ``source`` that of the text among those of :attr:`Plan.sources`.
    """

    rank: int
    source: int
    text: Text
    header: Header
    start: int = 0
    end: int | None = None


@dataclass(frozen=True)
class Plan:
    """What is read: ``sources``, daily feeds before archives and labelled texts first, cut into ``tasks``.

    That order decides which of two rows with one id is kept. ``left_out`` names what is not read, and says why.
    """

    tasks: list[ParseTask]
    sources: list[tuple[Text, Header]]
    left_out: dict[str, str]


def plan_tasks(files: list[LandingFile], split_bytes: int = SPLIT_BYTES) -> Plan:
    """Read every header, check its columns and cut plain files into byte ranges. Raises LandingError.

    A competition's submission is left out, and so is a member of an archive that is neither called like data nor an
    impression log, where others are one. Anything else is an error.
    """
    sources: list[tuple[Text, Header]] = []
    left_out: dict[str, str] = {}
    for file in files:
        texts = texts_of(file)
        for text in texts:
            try:
                sources.append((text, read_header(text)))
            except LandingError as e:
                if isinstance(e, NotAnImpressionLogError) and e.is_submission:
                    left_out[text.name] = _SUBMISSION
                elif text.is_meant_as_data:
                    raise
                else:
                    left_out[text.name] = _NO_DATA
        if all(left_out.get(text.name) == _NO_DATA for text in texts):
            raise LandingError(f"{file.name}: the archive holds no impression log; deliver one that does")
    if files and not sources:
        told = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise LandingError(f"None of the delivered files is an impression log ({told}); deliver one")
    # A row that comes with its label and without it keeps the label.
    sources.sort(key=lambda source: (source[0].file.day is None, not source[1].is_labelled))
    return Plan(list(_tasks(sources, split_bytes)), sources, left_out)


def _tasks(sources: list[tuple[Text, Header]], split_bytes: int) -> Iterator[ParseTask]:
    ranks = count()
    for source, (text, header) in enumerate(sources):
        if not text.is_splittable:
            yield ParseTask(next(ranks), source, text, header)
            continue
        size = text.file.size
        for start in range(header.size, max(size, header.size + 1), split_bytes):
            yield ParseTask(next(ranks), source, text, header, start, min(start + split_bytes, size))
