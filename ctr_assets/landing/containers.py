"""What a delivered file is, told by its first bytes and never by its name, and the texts inside it.

A text is a CSV file or a member of a zip archive, each as it stands or gzipped: Kaggle's download of a competition is a
zip of .gz files. Any other container is refused, and told what it is.
"""

import gzip
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from ctr_assets.landing.errors import LandingError, shown
from ctr_assets.landing.files import LandingFile, open_file
from ctr_assets.landing.names import is_ignored

HEAD_BYTES: Final = 1 << 16
"""Bytes of a text that are looked at to tell what it is, and the longest header line."""
GZIP: Final = "a gzip file"
ZIP: Final = "a zip archive"
_TAR: Final = "a tar archive"
_SIGNATURES: Final = {
    b"\x1f\x8b": GZIP,
    b"PK\x03\x04": ZIP,
    b"PK\x05\x06": ZIP,
    b"PK\x07\x08": ZIP,
    **{f"BZh{level}1AY".encode(): "a bzip2 file" for level in range(1, 10)},
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"\x04\x22\x4d\x18": "an LZ4 file",
    b"\xff\x06\x00\x00sNaPpY": "a Snappy file",
    b"\x1f\x9d": "a compress (.Z) file",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"PAR1\x15": "a Parquet file",
    b"Obj\x01": "an Avro file",
    b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\xff\xfe": "a text in UTF-16",
    b"\xfe\xff": "a text in UTF-16",
}
"""First bytes of what is no CSV text in UTF-8; the file formats' own documents."""
_READ_ERRORS: Final = (EOFError, OSError, zlib.error, zipfile.BadZipFile)
_ENCRYPTED: Final = 0x1
"""Bit 0 of a zip member's general purpose flags (PKWARE APPNOTE 4.4.4)."""
_COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_MEANT_AS_DATA: Final = re.compile(r"\.(csv|gz|zip|tsv|txt|tar|tgz|bz2|xz|zst|7z|parquet)$", re.IGNORECASE)


@dataclass(frozen=True)
class Text:
    """One text of a delivered file, decompressed: the file itself, or the member at a position of a zip archive."""

    file: LandingFile
    is_gzipped: bool = False
    member: str | None = None
    position: int = 0

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.file.name if self.member is None else f"{self.file.name} (member {shown(self.member)})"

    @property
    def is_splittable(self) -> bool:
        """Whether a reader can begin anywhere in it."""
        return self.member is None and not self.is_gzipped

    @property
    def is_meant_as_data(self) -> bool:
        """Whether it is an error when it holds no impressions: a delivered file, or a member that is called like data.

        Any other member of an archive, such as a README, is left out.
        """
        return self.member is None or bool(_MEANT_AS_DATA.search(self.member))


def kind_of(head: bytes) -> str | None:
    """What first bytes say that a file is, as a noun with its article; None for a text."""
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    return _TAR if _is_tar(head) else None


def _is_tar(head: bytes) -> bool:
    """Whether these are the first bytes of a tar archive: a header block whose checksum is right."""
    block = head[: tarfile.BLOCKSIZE]
    try:
        return len(block) == tarfile.BLOCKSIZE and bool(tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").name)
    except tarfile.HeaderError:
        return False


def texts_of(file: LandingFile) -> list[Text]:
    """The texts in a delivered file. Hidden members of an archive, ``__MACOSX`` and folders are none.

    Raises :class:`LandingError`, naming the file and the member, for what cannot be read: another container, a member
    that is encrypted or compressed in a way that is not supported, an archive without a text.
    """
    with open_file(file) as stream:
        kind = kind_of(stream.read(HEAD_BYTES))
        if kind == ZIP:
            stream.seek(0)
            return _members(file, stream)
    text = Text(file, is_gzipped=kind == GZIP)
    _refuse(text.name, kind if kind != GZIP else None)
    return [text]


def _members(file: LandingFile, stream: IO[bytes]) -> list[Text]:
    try:
        with zipfile.ZipFile(stream) as archive:
            named = [(i, info) for i, info in enumerate(archive.infolist()) if not info.is_dir()]
            looked_at = [(i, info) for i, info in named if not is_ignored(info.filename.replace("\\", "/"))]
            texts = [_member(file, archive, i, info) for i, info in looked_at]
    except _READ_ERRORS as e:
        raise LandingError(f"{file.name}: not a readable zip archive ({e}); deliver it again") from e
    if any(info.filename == "xl/workbook.xml" for _, info in named):
        raise LandingError(f"{file.name}: an Excel workbook; save its sheet as CSV and deliver that")
    if not texts:
        raise LandingError(f"{file.name}: the zip archive holds no .csv or .gz file; deliver one that does")
    return sorted(texts, key=lambda text: (str(text.member), text.position))


def _member(file: LandingFile, archive: zipfile.ZipFile, position: int, info: zipfile.ZipInfo) -> Text:
    text = Text(file, member=info.filename, position=position)
    if info.flag_bits & _ENCRYPTED:
        raise LandingError(f"{text.name}: encrypted; deliver it without a password")
    if info.compress_type not in _COMPRESSIONS:
        raise LandingError(
            f"{text.name}: compressed by method {info.compress_type}, which is not supported; expected deflate"
        )
    try:
        with archive.open(info) as member:
            kind = kind_of(member.read(HEAD_BYTES))
    except NotImplementedError as e:
        raise LandingError(f"{text.name}: cannot be read ({e}); expected a plain deflated member") from e
    except _READ_ERRORS as e:
        raise LandingError(f"{text.name}: damaged or truncated ({e}); deliver it again") from e
    if text.is_meant_as_data:
        _refuse(text.name, kind if kind != GZIP else None)
    return Text(file, kind == GZIP, info.filename, position)


def _refuse(name: str, kind: str | None) -> None:
    """Raise for content that is no text; ``kind`` None is one."""
    if kind is not None:
        raise LandingError(
            f"{name}: {kind}, by its content; expected CSV text in UTF-8, as it is, gzipped or in a zip archive. "
            "Unpack or convert it, and deliver the .csv"
        )


@contextmanager
def open_text(text: Text) -> Iterator[IO[bytes]]:
    """The decompressed bytes of a text. Raises :class:`LandingError`, naming it, where they are damaged."""
    try:
        with open_file(text.file) as stream, _member_of(stream, text) as stored, _gunzipped(stored, text) as plain:
            yield plain
    except _READ_ERRORS as e:
        raise LandingError(f"{text.name}: damaged or truncated ({e}); deliver it again") from e


@contextmanager
def _member_of(stream: IO[bytes], text: Text) -> Iterator[IO[bytes]]:
    if text.member is None:
        yield stream
        return
    with zipfile.ZipFile(stream) as archive, archive.open(archive.infolist()[text.position]) as member:
        yield member


@contextmanager
def _gunzipped(stream: IO[bytes], text: Text) -> Iterator[IO[bytes]]:
    if not text.is_gzipped:
        yield stream
        return
    with gzip.GzipFile(fileobj=stream) as plain:
        yield plain  # type: ignore[misc]


def read_head(text: Text) -> bytes:
    """The first ``HEAD_BYTES`` bytes of a text. Raises LandingError when they are no text either (a tar in a gzip)."""
    with open_text(text) as stream:
        head = stream.read(HEAD_BYTES)
    if text.is_gzipped:
        kind = kind_of(head)
        _refuse(text.name, None if kind is None else f"{kind} within a gzip file")
    return head
