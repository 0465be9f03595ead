"""The manifest: one small JSON object that names the files of a version and so makes them *the* table of a day."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ctr_assets.tables import CHAMPION_MODEL, CHAMPION_VALIDATION, ENCODED_FEATURES, FEATURE_VOCABULARY


def _plain_name(name: str) -> str:
    """A name that is one step below its folder: no way to leave the store by it."""
    if name in ("", ".", "..") or not name.isprintable() or {"/", "\\"} & set(name):
        raise ValueError(f"{name!r} is not a plain file name")
    return name


PlainName = Annotated[str, AfterValidator(_plain_name)]


class DataFile(BaseModel):
    """One immutable file of a version. ``name`` is relative to the version's folder; ``bytes`` is its size."""

    model_config = ConfigDict(frozen=True)

    name: PlainName
    rows: int
    bytes: int
    sha256: str


class VersionName(BaseModel):
    """Which version of a table's partition: where its files are."""

    model_config = ConfigDict(frozen=True)

    table: PlainName
    partition: PlainName
    version: PlainName

    @property
    def reference(self) -> str:
        """``table/partition``, the key under which another manifest names this one as its input."""
        return f"{self.table}/{self.partition}"


class Manifest(VersionName):
    """What a reader needs to know of a committed version.

    ``content_fingerprint`` depends on the bytes of the files in order, not on their names, the version or the time:
    two runs that wrote the same data have the same one. ``inputs`` maps ``table/partition`` to the version read, and
    ``input_contents`` to its content fingerprint; ``inputs`` may name further versions whose files this one refers to.
    """

    rows: int
    files: tuple[DataFile, ...]
    columns: dict[str, str]
    schema_fingerprint: str
    content_fingerprint: str
    created_at: datetime
    created_by: dict[str, str]
    inputs: dict[str, str] = Field(default_factory=dict)
    input_contents: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, Any] = Field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of all data files, in bytes."""
        return sum(file.bytes for file in self.files)

    def was_made_from(self, other: "Manifest") -> bool:
        """Whether ``other`` is what this version was made from: the version that was read, or one of equal content."""
        same_version = self.inputs.get(other.reference) == other.version
        return same_version or self.input_contents.get(other.reference) == other.content_fingerprint


class _VocabularyProperties(BaseModel):
    chain: dict[str, str]
    sizes: dict[str, int] = {}


class _EncodedProperties(BaseModel):
    vocabulary_fingerprint: str = ""
    splits: dict[str, int] = {}
    clicks: int = 0
    unknown_rows: dict[str, int] = {}


class _ComparisonProperties(BaseModel):
    rows_text: str
    rows: int
    clicks: int
    candidate: float
    champion: float
    difference: float
    standard_error: float | None


class _ValidationProperties(BaseModel):
    champion_day: str | None
    champion_version: str | None = None
    comparison: _ComparisonProperties | None = None
    metrics: dict[str, Any] | None
    reference: dict[str, Any] | None = None


class _ChampionProperties(BaseModel):
    day: str
    model_version: str
    vocabulary_fingerprint: str


_PROPERTIES: Final[dict[str, type[BaseModel]]] = {
    FEATURE_VOCABULARY: _VocabularyProperties,
    ENCODED_FEATURES: _EncodedProperties,
    CHAMPION_VALIDATION: _ValidationProperties,
    CHAMPION_MODEL: _ChampionProperties,
}
"""The shape of the properties from which decisions about many days are made: another shape is found when the manifest
is read, so that it harms only its own day."""


def build_manifest(
    *,
    table: str,
    partition: str,
    version: str,
    files: Iterable[DataFile],
    columns: Mapping[str, str],
    created_by: Mapping[str, str],
    inputs: Iterable[Manifest] = (),
    refers_to: Iterable[VersionName] = (),
    properties: Mapping[str, Any] | None = None,
) -> Manifest:
    """Describe a version whose files are all written. Pure; commits nothing."""
    files, inputs = tuple(files), tuple(inputs)
    return Manifest(
        table=table,
        partition=partition,
        version=version,
        rows=sum(file.rows for file in files),
        files=files,
        columns=dict(columns),
        schema_fingerprint=fingerprint(list(columns.items())),
        content_fingerprint=fingerprint([file.sha256 for file in files]),
        created_at=datetime.now(UTC),
        created_by=dict(created_by),
        inputs={each.reference: each.version for each in (*refers_to, *inputs)},
        input_contents={manifest.reference: manifest.content_fingerprint for manifest in inputs},
        properties=dict(properties or {}),
    )


def parse_manifest(data: bytes, table: str, partition: str) -> Manifest:
    """The manifest of a place from its JSON. Raises ValueError when it is none, or that of another place."""
    manifest = Manifest.model_validate_json(data)
    if manifest.reference != f"{table}/{partition}":
        raise ValueError(f"it is the manifest of {manifest.reference}")
    if table in _PROPERTIES:
        _PROPERTIES[table].model_validate(manifest.properties)
    if table == FEATURE_VOCABULARY and partition not in manifest.properties["chain"]:
        raise ValueError(f"its chain lacks {partition}, its own day")
    return manifest


def fingerprint(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
