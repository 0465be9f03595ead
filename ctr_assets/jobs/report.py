"""What a job says to whoever launched it: log lines, and one report for each partition it committed."""

import base64
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from dagster_pipes import PipesContext

from ctr_assets.plain_text import in_markdown, markdown_table

logger = logging.getLogger("ctr_assets")


class Report(Protocol):
    """The way out of a job; the same calls whether Dagster listens or a person at a terminal."""

    def log(self, message: str) -> None:
        """Tell how the work goes on."""

    def partition(self, partition: str, metadata: Mapping[str, Any]) -> None:
        """Report a committed partition: the asset is materialized only from this.

        A metadata value is a plain number, string or bool, or one made by the functions of this module.
        """


class PipesReport:
    """A report that travels to Dagster through a Pipes session."""

    def __init__(self, pipes: PipesContext) -> None:
        self._pipes = pipes

    def log(self, message: str) -> None:
        self._pipes.log.info(message)

    def partition(self, partition: str, metadata: Mapping[str, Any]) -> None:
        # Pipes' own materialization message knows no partition, and a range run has several.
        self._pipes.report_custom_message({"partition": partition, "metadata": dict(metadata)})


class TerminalReport:
    """A report for a job that was started by hand."""

    def log(self, message: str) -> None:
        logger.info(message)

    def partition(self, partition: str, metadata: Mapping[str, Any]) -> None:
        plain = {key: value for key, value in metadata.items() if not isinstance(value, Mapping)}
        logger.info("committed %s %s", partition or "(unpartitioned)", plain)


class SilentReport:
    """For every rank but 0 of a distributed job: rank 0 alone reports."""

    def log(self, message: str) -> None:
        """Say nothing."""

    def partition(self, partition: str, metadata: Mapping[str, Any]) -> None:
        """Report nothing."""


def markdown(text: str) -> dict[str, Any]:
    """A metadata value that the UI renders as Markdown: text that is not ours has been through ``plain_text``."""
    return {"type": "md", "raw_value": text}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> dict[str, Any]:
    """A table of plain text as a metadata value that the UI shows in place."""
    return markdown(markdown_table(columns, rows, text_columns))


def bullets(texts: Iterable[str]) -> dict[str, Any]:
    """A list of plain texts as a metadata value that the UI shows in place."""
    return markdown("\n".join(f"* {in_markdown(text)}" for text in texts))


def picture(png: bytes, title: str) -> dict[str, Any]:
    """A PNG as a metadata value that the UI shows in place."""
    return markdown(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def as_json(value: Any) -> dict[str, Any]:
    """A metadata value that the UI shows as a collapsible tree."""
    return {"type": "json", "raw_value": value}


def path(value: str) -> dict[str, Any]:
    """A metadata value that names a file, a folder or a URL of the store."""
    return {"type": "path", "raw_value": value}
