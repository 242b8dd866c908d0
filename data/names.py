"""Names as people type them: one form for what is the same, and the words that stand for "unknown"."""

import re
import unicodedata
from collections.abc import Iterable

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
