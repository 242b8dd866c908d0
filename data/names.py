"""Names as people type them: one form for what is the same, and the words that stand for "unknown"."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

UNKNOWN = {
    "", "na", "nan", "none", "null", "nil", "unknown", "unkn", "unk", "anonymous", "anonymized", "anonymised",
    "anonym", "anon", "missing", "undefined", "unspecified", "unassigned", "noid", "nopatient", "noname",
    "notavailable", "notapplicable", "notknown", "unbekannt", "anonimo", "desconocido", "anonyme", "inconnu",
    "미상", "없음", "불명", "익명", "미확인", "모름", "不明", "未知", "匿名", "无", "無",
}  # fmt: skip
PLACEHOLDER = re.compile(
    r"[+-]?(0+|9{2,})|-1|x{2,}"
)  # numbers that may stand for "unknown", or may be numbers


def clean(text: str) -> str:
    """The name as it is kept and shown: Unicode NFC, no blanks at its ends, single ones inside.

    A decomposed name (macOS) and a composed one (Windows, Linux) become the same; capitals stay.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def key(text: str) -> str:
    """What two spellings of one name share: cleaned, without regard to capitals and width."""
    return " ".join(unicodedata.normalize("NFKC", clean(text)).casefold().split())


def is_unknown(text: str) -> bool:
    """Whether a name says that there is none: NA, none, unknown, ANONYMOUS, -, ?, an empty cell …"""
    return re.sub(r"[\W_]+", "", key(text)) in UNKNOWN


def may_be_unknown(text: str) -> bool:
    """Whether a number (0, -1, 999 …) is often written where none is known; it may be a number, too."""
    return bool(PLACEHOLDER.fullmatch(key(text)))


def match(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` spells, with whatever capitals, blanks or composition; None if none."""
    names = list(known)
    if name in names:
        return name
    return next((other for other in names if key(other) == key(name)), None)


def share_either(first: Sequence[str | None], second: Sequence[str | None]) -> list[str | None]:
    """One group a scan where two columns, group and patient, name it: what shares either name is one.

    None where both are None. A group is called by the first of its patients, or `group NAME` without any.
    """
    keys = [
        [(column, key(name)) for column, name in enumerate(both) if name is not None]
        for both in zip(first, second, strict=True)
    ]
    from .groups import joined  # late: names are read without OpenCV and scipy

    rows: dict[tuple[int, str], int] = {}
    links = [(rows.setdefault(key, row), row) for row, own in enumerate(keys) for key in own]
    component = joined(len(keys), links)
    called: dict[int, tuple[bool, str]] = {}
    for part, group, patient in zip(component, first, second, strict=True):
        if group is not None or patient is not None:
            name = (True, f"group {group}") if patient is None else (False, patient)
            called[part] = min(called.get(part, name), name)
    return [called[part][1] if part in called else None for part in component]
