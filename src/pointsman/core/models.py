"""The content of a model: its files by their digests, or where it is kept elsewhere.

::

    {"files": {"model.pkl": {"size": 12, "sha256": "…"}, "MLmodel": {"size": 3, "sha256": "…"}},
     "flavour": "sklearn", "metrics": {"auc": 0.91}, "run": "r-17"}
    {"uri": "s3://models/churn/7", "digest": "sha256:…"}

The bytes of the files are in the blob store. Nothing opens or loads them: what a suffix tells
of the risk of loading one is all that is said (`risk_of`). Fields that are not named here stay
as they are: a model may be any JSON object.

A path has one spelling and leads below the folder that it is unpacked into, on every system,
whoever decodes it however often. Sources: CWE-22, CWE-180; Unicode UAX #15.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple, cast

from pointsman.core.canonical import JSON, check_json, json_pointer, quoted
from pointsman.core.content_fields import Faults
from pointsman.core.standalone import Standalone
from pointsman.core.variables import plain
from pointsman.errors import InvalidContent, InvalidInput, Reason

MAX_FILES: Final = 10_000
MAX_FILE: Final = 100 << 30
"""Bytes of one file."""
MAX_PATH: Final = 1_000
MAX_PART: Final = 255
"""Bytes of a path, and of a part of it: file systems take no more."""
MAX_TEXT: Final = 10_000
_NOTED: Final = 20
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DIGEST: Final = re.compile(r"[a-z0-9-]{1,20}:[0-9a-f]{32,128}")
_ENCODED: Final = re.compile(r"%(?:u[0-9a-f]{4}|[0-9a-f]{2})", re.IGNORECASE)
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RISKS: Final[Mapping[str, Literal["code", "archive"]]] = {
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth", ".ckpt", ".bin",
         ".npy", ".npz", ".h5", ".hdf5", ".keras", ".mar", ".model", ".py", ".so", ".dll"),
        "code",
    ),
    **dict.fromkeys(
        (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".whl", ".jar"),
        "archive",
    ),
}  # fmt: skip


class FileEntry(NamedTuple):
    """What a manifest says of one file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class ModelContent(Standalone):
    """The content of a model. Made by `parse_model`."""

    value: dict[str, JSON]

    @cached_property
    def files(self) -> Mapping[str, FileEntry]:
        """The files by their paths; none if the model is kept elsewhere."""
        return restore_files(self.value)

    def to_json(self) -> dict[str, JSON]:
        """A copy of the object: ``parse_model(x.to_json()) == x``."""
        return cast("dict[str, JSON]", plain(self.value))


def parse_model(value: JSON) -> ModelContent:
    """The content of a model.

    Raises:
        InvalidContent: it is no object, or ``reasons`` has what is wrong with the named fields.
        InvalidInput: it is not JSON (see `check_json`).
    """
    if not isinstance(value, dict):
        raise InvalidContent(
            "The content of a model must be an object.", code="wrong_type", hint="Write {…}."
        )
    check_json(value)
    faults = Faults()
    if "files" in value:
        _check_files(value["files"], faults)
        if "uri" in value:
            faults.add(
                "files_and_uri",
                "/uri",
                "says that the model is elsewhere, and there are files",
                "Publish the files, or name where they are.",
            )
    if "uri" in value:
        _check_uri(value, faults)
    for field in ("flavour", "run", "source"):
        said = value.get(field)
        if said is not None and not isinstance(said, dict) and not _is_text(said):
            faults.add("wrong_type", f"/{field}", "must be text of at most 10,000 characters")
    if value.get("signature") is not None:
        faults.is_object(value["signature"], "/signature")
    _check_named(value.get("metrics"), "/metrics", "numbers", _is_number, faults)
    _check_named(value.get("parameters"), "/parameters", "texts or numbers", _is_plain, faults)
    faults.check()
    return ModelContent(value)


def restore_files(value: Mapping[str, Any]) -> dict[str, FileEntry]:
    """The files of a content that was checked when it was published.

    What was published before there were files may have anything in that field: it has none.
    """
    files = value.get("files")
    if not isinstance(files, dict):
        return {}
    try:
        return {path: FileEntry(one["size"], one["sha256"]) for path, one in files.items()}
    except (TypeError, KeyError):
        return {}


def check_sha256(text: str, *, field: str = "sha256") -> str:
    """The SHA-256 of a file, in lower case. Raises `InvalidInput`."""
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise InvalidInput(
            f"{quoted(str(text))} is not a SHA-256.",
            code="invalid_sha256",
            hint="Write its 64 hexadecimal digits in lower case.",
            field=field,
        )
    return text


def check_path(path: str, *, field: str = "path") -> str:
    """The path of a file in a manifest. Raises `InvalidInput` with every broken rule."""
    reasons = list(path_flaws(path, field))
    if reasons:
        first = reasons[0]
        raise InvalidInput(
            first.message, code=first.code, hint=first.hint, field=field, reasons=reasons
        )
    return path


def path_flaws(path: str, field: str = "path") -> Iterator[Reason]:
    """Everything that is wrong with the path of a file."""

    def flaw(code: str, what: str, hint: str) -> Reason:
        return Reason(code, f"The path {quoted(path)} {what}.", hint, field)

    if not isinstance(path, str) or not path:
        yield flaw("empty_path", "is empty", "Name the file, such as weights/model.onnx.")
        return
    if len(path.encode("utf-8", "surrogatepass")) > MAX_PATH:
        yield flaw("path_too_long", f"has more than {MAX_PATH:,} bytes", "Shorten it.")
        return
    if any(unicodedata.category(sign) in _UNSEEN for sign in path):
        yield flaw("control_character", "has characters that can't be seen", "Rename the file.")
        return
    if unicodedata.normalize("NFC", path) != path:
        yield flaw("not_normalised", "is not in Unicode's form NFC", "Normalise it.")
    if _ENCODED.search(path):
        yield flaw("percent_encoded", "is percent-encoded", "Write the characters themselves.")
    # A sign that some system takes for another counts as that one: full-width dots and slashes.
    shape = unicodedata.normalize("NFKC", path)
    if "\\" in shape:
        yield flaw("backslash", "has a backslash", "Part folders with /.")
    if ":" in shape:
        yield flaw("drive_path", "has a colon, as a drive or a stream has", "Rename the file.")
    if shape.startswith("/"):
        yield flaw("absolute_path", "is absolute", "Name files by their place in the folder.")
    elif shape.count("/") != path.count("/"):
        yield flaw("look_alike_slash", "has a sign that looks like a slash", "Rename the file.")
    elif "" in shape.split("/"):
        yield flaw("empty_part", "has an empty part", "Part folders with one /, and end without.")
    if any(part.strip(" .") == "" and part for part in shape.split("/")):
        yield flaw(
            "dot_part", "has a part of nothing but dots", "Name files as they are in the folder."
        )
    elif any(part != part.strip() or part.endswith(".") for part in shape.split("/")):
        yield flaw(
            "edge_space", "has a part that begins or ends with a space or dot", "Rename the file."
        )
    if any(len(part.encode("utf-8", "surrogatepass")) > MAX_PART for part in path.split("/")):
        yield flaw("part_too_long", f"has a part of more than {MAX_PART} bytes", "Shorten it.")


def fold_path(path: str) -> str:
    """The key under which paths are one and the same file on some system."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def risk_of(path: str) -> Literal["code", "archive"] | None:
    """What its suffix tells of a file: loading it can run code, or it has files in it."""
    _, dot, suffix = path.lower().rpartition(".")
    return _RISKS.get(dot + suffix)


def _check_files(value: JSON, faults: Faults) -> None:
    if not isinstance(value, dict) or not value:
        faults.add(
            "wrong_type",
            "/files",
            "must be an object with a size and a SHA-256 for each path",
            'Write {"files": {"model.onnx": {"size": 12, "sha256": "…"}}}.',
        )
        return
    if len(value) > MAX_FILES:
        faults.add(
            "too_many_files",
            "/files",
            f"names {len(value):,} files; {MAX_FILES:,} are allowed",
            "Put small files together into one.",
        )
        return
    for path, one in value.items():
        field = "/files" + json_pointer((path,))
        faults.reasons += path_flaws(path, field)
        _check_entry(one, field, faults)
        if len(faults.reasons) >= _NOTED:
            return
    _check_apart(value, faults)


def _check_entry(one: JSON, field: str, faults: Faults) -> None:
    if not faults.is_object(one, field):
        return
    assert isinstance(one, dict)
    faults.unknown(one, ("size", "sha256"), field)
    size, sha256 = one.get("size"), one.get("sha256")
    if type(size) is not int or not 0 <= size <= MAX_FILE:
        faults.add("invalid_size", f"{field}/size", "must be the number of its bytes, up to 100 GB")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        faults.add("invalid_sha256", f"{field}/sha256", "must be 64 hexadecimal digits, lower case")


def _check_apart(files: Mapping[str, JSON], faults: Faults) -> None:
    """That no two paths are one on some system, and none is a file and a folder at once."""
    seen: dict[str, str] = {}
    for path in files:
        other = seen.setdefault(fold_path(path), path)
        if other != path:
            message = f"is the same file as {quoted(other)} where case doesn't count"
            faults.add("duplicate_path", "/files" + json_pointer((path,)), message, "Rename one.")
            return
    for key, path in seen.items():
        folder = key
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            if folder in seen:
                message = f"lies in {quoted(seen[folder])}, which is a file"
                faults.add("file_and_folder", "/files" + json_pointer((path,)), message)
                return


def _check_uri(value: Mapping[str, JSON], faults: Faults) -> None:
    uri, said = value["uri"], value.get("digest")
    if not _is_text(uri) or not str(uri).isprintable():
        faults.add("wrong_type", "/uri", "must be text: where the model is kept")
    if said is not None and (not isinstance(said, str) or not _DIGEST.fullmatch(said)):
        faults.add(
            "invalid_digest", "/digest", "must name its algorithm and be hexadecimal",
            "Write it like sha256:2c26….",
        )  # fmt: skip


def _check_named(value: JSON, field: str, what: str, fits: Any, faults: Faults) -> None:
    if value is None or not faults.is_object(value, field):
        return
    assert isinstance(value, dict)
    for name, one in value.items():
        if not fits(one):
            faults.add("wrong_type", field + json_pointer((name,)), f"is not among {what}")
            if len(faults.reasons) >= _NOTED:
                return


def _is_text(value: JSON) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TEXT


def _is_number(value: JSON) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_plain(value: JSON) -> bool:
    return isinstance(value, (str, bool)) or value is None or _is_number(value)
