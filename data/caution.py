"""Cautions: what a reader of a data set must know of it, as values; worded here and nowhere else.

Readers, groups and checks make cautions; the console, the page, the report and a study's banners show them.
A new kind is a row of KINDS. Its words are a noun in the plural, so that no sentence depends on a number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeGuard

Weight = Literal["wrong", "caution", "note"]
NAMED = 3  # cases that a sentence names
KEPT = 20  # cases that a study keeps of each caution
Case = tuple[str, ...]  # the file of a scan, or the files that belong together, such as a pair


def _joined(files: Case) -> str:
    """The files of a case as a sentence names them: all if they are few, else the first and how many more."""
    if len(files) <= NAMED + 1:
        return " and ".join(files)
    return f"{', '.join(files[:NAMED])} and {len(files) - NAMED:,} more"


@dataclass(frozen=True, slots=True)
class Kind:
    """The words of one kind of caution."""

    what: str  # what is counted, in the plural, as in the middle of a sentence
    advice: str  # whole sentences: what follows from it and what mends it
    weight: Weight = "caution"  # wrong: no study should be made; note: nothing needs to be mended


KINDS: dict[str, Kind] = {
    # of the data as a whole
    "refused": Kind("", "", "wrong"),  # the caution's detail is the sentence of the error
    "said": Kind("", "", "note"),  # the caution's detail is a whole sentence
    "phantoms": Kind(
        "simulated phantoms, not patients",
        "The numbers show how the tool works and mean nothing medical.",
        "note",
    ),
    "no hashes": Kind(
        "a study of an earlier version, whose files carry no hashes",
        "Damage to its pixels, masks or table would pass unnoticed. Make a new study from the same --data to "
        "have them checked.",
    ),
    "per image": Kind(
        "a split per image",
        "Scans of one patient or scene stand on both sides, so every number here is too good. It exists only "
        "to be compared with the study beside it.",
    ),
    "few": Kind(
        "a share of the target alone",
        "Training parts keep these and leave the others out, to show what fewer real scans give. Test parts "
        "are whole.",
    ),
    # of groups
    "no group known": Kind(
        "scans without a known group",
        "A detector joined near-duplicates; it cannot see two different views of one patient. If a patient "
        "is on both sides of a split, every result here is too good. Give groups or patients in a labels.csv "
        "(file,label,patient).",
    ),
    "unknown patients": Kind(
        "scans whose patient or group is a word for unknown",
        "They count as scans without a known group. Fill in who the patient is where that is known.",
    ),
    "alike": Kind(
        "sets of scans in different given groups that look like one scene",
        "Look at them; if they are one patient, give them one group or make the study with --merge-alike, or "
        "every result here is too good.",
    ),
    "groups merged": Kind(
        "sets of scans of different given groups that look like one scene and are one group now",
        "Look at them; if they are of different patients, make the study again without --merge-alike.",
        "note",
    ),
    "names alike": Kind(
        "given groups whose names differ in zeros alone",
        "If they are one patient or scene, write them alike: folds may split them.",
    ),
    "torn": Kind(
        "pictures with identical pixels in several of the given groups",
        "A split leaks them. Give them one group in the labels.csv, or remove the copies.",
        "wrong",
    ),
    "placeholder patients": Kind(
        "patient ids in DICOM files that most files share, or that are a word for unknown",
        "Each file's study stands for the patient if it has one; else no group is known.",
    ),
    "few groups": Kind(
        "classes of which a fold tests fewer than ten groups",
        "No verdict on such a fold alone can be trusted. Test all folds (--fold all), use fewer (--k), or "
        "add scans of other patients.",
    ),
    # of what gives classes away
    "shortcuts": Kind(
        "shortcuts that tell a class apart without its lesion",
        "A classifier can use them too. Compare its results with theirs, and test it on scans from "
        "elsewhere.",
    ),
    # of labels
    "contradicting": Kind(
        "groups with contradicting labels",
        "The default, --cohort clean, leaves them out. Correct the labels where they are wrong.",
    ),
    "several findings": Kind(
        "groups given with the data that hold several labels",
        "If they are patients with several findings, keep them with --cohort raw; the default, clean, leaves "
        "them out.",
    ),
    "class gone": Kind(
        "classes of which contradicting groups leave nothing",
        "Correct the labels, or use --cohort raw.",
        "wrong",
    ),
    "few classes": Kind("classes among the usable scans", "Add scans of another class.", "wrong"),
    # of files
    "unreadable": Kind(
        "scans that cannot be read", "Copy from the source again, or remove what stays unreadable.", "wrong"
    ),
    "DICOM": Kind(
        "files in DICOM",
        "Whatever BurnedInAnnotation says, names can be burned into pixels: look before sharing anything.",
        "note",
    ),
    "named paths": Kind(
        "paths of DICOM files that hold the patient's id or name",
        "These files, and those beside them, are called by a hash here; rename them.",
    ),
    "merged": Kind(
        "folders of a split that were merged", "Their split is not used, the study makes its own.", "note"
    ),
    "names of a zip": Kind(
        "names in a zip that are not marked as UTF-8",
        "If they look wrong, pack the data again with a program that writes UTF-8, or give the folder.",
        "note",
    ),
    "16 bits": Kind(
        "scans in files of 16 bits",
        "One scale holds for the whole data set, the smallest that its highest grey level fits.",
        "note",
    ),
    "mixed depths": Kind(
        "scans of 16 bits beside scans of 8 bits",
        "Their grey levels may not be comparable, and the depth may tell the class. Export all scans alike.",
    ),
    "dim": Kind(
        "scans that use less than an eighth of the grey range",
        "They are nearly black. Export them with their full range, or leave them out.",
    ),
    "packed": Kind(
        "archives among the data", "What they hold was left out. Unpack them, or give one of them as --data."
    ),
    "arrays": Kind(
        "array files (npz, mat, nii …) among the data", "They were left out. Save their pictures as PNG."
    ),
    "videos": Kind("videos among the data", "They were left out. Save their frames as PNG."),
    "other pictures": Kind(
        "pictures of a kind that is not read", "They were left out. Save them as PNG (or TIFF, BMP, JPEG)."
    ),
    "spreadsheets": Kind(
        "spreadsheets among the data",
        "They were not read. If one says labels or patients, save it as CSV and name it labels.csv "
        "(file,label,patient).",
        "note",
    ),
    "lone masks": Kind(
        "lesion masks without a scan",
        "They were left out. Name each as its scan, X_mask.png beside X.png, or list it in the column mask "
        "of a labels.csv; rename it if it is a scan.",
    ),
    "strange names": Kind(
        "files passed over for their names, or since they are links",
        "Rename them, or copy what they lead to.",
    ),
    "outside": Kind("scans left out", "Put them into class folders or into the table if they belong."),
    "unusable masks": Kind(
        "masks that are damaged, pictures, or of another size than their scan",
        "These scans count as scans without a mask. Replace the masks.",
    ),
}


@dataclass(frozen=True, slots=True)
class Caution:
    """One thing to be careful about, of a data set or a study made from it."""

    kind: str  # a key of KINDS; one that this version does not know speaks for itself
    count: int = 0  # how many files, sets or groups it is about; 0 where nothing is counted
    cases: tuple[Case, ...] = ()  # which, as far as they are kept; the files are named as in the data
    total: int = 0  # how many there are in all, where that says something
    detail: str = ""  # words in brackets after the count

    @property
    def words(self) -> Kind:
        """The words of its kind."""
        return KINDS.get(self.kind, Kind(self.kind, ""))

    @property
    def weight(self) -> Weight:
        """How much it weighs."""
        return self.words.weight

    @property
    def short(self) -> str:
        """What and how many, for a list of cautions on one line."""
        return f"{self.words.what or self.detail}{f' ({self.count:,})' if self.count else ''}"

    @property
    def counted(self) -> str:
        """What, how many, of how many: a sentence without an end."""
        words = self.words
        if not words.what:
            return self.detail.rstrip(".")
        number = f": {self.count:,}" if self.count else ""
        number += f" of {self.total:,}" if self.total else ""
        return f"{words.what[0].upper()}{words.what[1:]}{number}{f' ({self.detail})' if self.detail else ''}"

    @property
    def named(self) -> str:
        """The first cases by name, or all if they are few; "" without any."""
        if not self.cases:
            return ""
        such = "such as" if len(self.cases) > NAMED or self.count > NAMED else "namely"
        return f"{such} {'; '.join(_joined(files) for files in self.cases[:NAMED])}"

    @property
    def sentence(self) -> str:
        """All of it, with the first cases by name, and what mends it."""
        named = f", {self.named}" if self.cases else ""
        return f"{self.counted}{named}. {self.words.advice}".rstrip()

    @property
    def rest(self) -> str:
        """What `sentence` says beyond `counted`."""
        named = f"{self.named[0].upper()}{self.named[1:]}. " if self.cases else ""
        return f"{named}{self.words.advice}".rstrip()

    def brief(self) -> "Caution":
        """The same with the first KEPT cases only, for a study's own file."""
        return replace(self, cases=self.cases[:KEPT])


def caution(
    kind: str, cases: Iterable[str | Case], *, total: int = 0, detail: str = ""
) -> tuple[Caution, ...]:
    """The caution about these files, or files that belong together, in the order of names; none if none."""
    sets = sorted((case,) if isinstance(case, str) else tuple(case) for case in cases)
    return (Caution(kind, len(sets), tuple(sets), total, detail),) if sets else ()


def of_weight(cautions: Iterable[Caution], weight: Weight) -> list[Caution]:
    """Those that weigh so much, in their order."""
    return [item for item in cautions if item.weight == weight]


def from_json(content: Mapping[str, Any]) -> Caution:
    """A caution as `dataclasses.asdict` turned it into plain values; ValueError for anything else."""
    kind, count, cases, total, detail = (
        content[name] for name in ("kind", "count", "cases", "total", "detail")
    )
    if not (isinstance(kind, str) and isinstance(detail, str) and _is_number(count) and _is_number(total)):
        raise ValueError("a caution of another type")
    sets = tuple(tuple(case) for case in cases)
    if not all(isinstance(file, str) for case in sets for file in case):
        raise ValueError("a caution about something else than files")
    return Caution(kind, count, sets, total, detail)


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and value >= 0
