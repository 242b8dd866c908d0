"""Lesion masks among pictures: known by names and folders, paired with their scans, told by what they hold.

A picture is a mask if its name says so and a scan has the rest of the name, if its folder is called masks
(Ground Truth, segmentation …) and scans lie beside that folder, or if its name says *mask* outright. Words
that may also name what a scan shows (tumor, lesion, roi …) make a mask only beside the scan it belongs to.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from posixpath import splitext

import numpy as np
from numpy.typing import NDArray

from ..core.errors import BusError
from .pictures import histogram

PLAIN = {"mask", "masks", "msk", "msks", "segmentation", "segmentations", "groundtruth", "마스크"}
RANKS = {  # what a word promises: of several annotations of a scan the lowest rank is its mask
    **dict.fromkeys(PLAIN, 0),
    **dict.fromkeys(("seg", "segs", "segm", "gt", "gts", "truth"), 0),
    **dict.fromkeys(("tumor", "tumors", "tumour", "tumours", "lesion", "lesions"), 1),
    **dict.fromkeys(("annotation", "annotations", "annot", "anno", "label", "labels", "roi", "rois"), 2),
    **dict.fromkeys(("contour", "contours", "outline", "outlines", "delineation"), 3),
    **dict.fromkeys(("other", "others"), 4),
}
FOLDERS = {  # words that make a folder one of masks
    *PLAIN, "seg", "segs", "gt", "gts", "annotation", "annotations", "annot", "label", "labels",
}  # fmt: skip
BESIDE = {"image", "images", "img", "imgs", "png", "binary", "manual", "map", "maps", "all", *RANKS}
SCANS = {  # words for the scan itself, in names and of folders beside those of masks
    "image", "images", "img", "imgs", "scan", "scans", "original", "originals", "orig", "ori", "us", "bmode",
    "input", "inputs", "picture", "pictures", "frame", "frames", "원본", "영상",
}  # fmt: skip
TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
ENDS = " _-.([)]"
FEW_LEVELS = 8  # grey levels of a mask that holds class numbers or colours; real scans hold 171 and more
NEAR_ENDS = 0.98  # share of pixels nearly black or white: of JPEG masks; of 347 real scans at most 0.51
TWIN_ENDS = 0.85  # the same beside a scan of that name and size: masks that were resized or saved as JPEG

Tokens = tuple[str, ...]
Path = tuple[str, ...]  # the names of folders, from above


@dataclass(frozen=True)
class Pairing:
    """Pictures by what they are, named by their paths."""

    scans: tuple[str, ...]
    masks: Mapping[str, tuple[str, ...]]  # by scan
    unused: Mapping[str, str]  # masks that belong to no scan, or repeat another's lesion → why

    @cached_property
    def of(self) -> dict[str, str]:
        """Mask → its scan."""
        return {mask: scan for scan, several in self.masks.items() for mask in several}


@dataclass(frozen=True)
class _Reading:
    """One way to read a file's name as that of a mask."""

    exact: str  # the rest of the name as it stands
    rest: Tokens
    words: frozenset[str]  # for a mask; empty where only the folder says that it is one
    replaced: bool = False  # the words stand where a scan may have others: mask_0001 beside bus_0001

    @property
    def plain(self) -> bool:
        """Whether the name alone makes it a mask."""
        return bool(self.words & PLAIN)

    @property
    def rank(self) -> int:
        """What the words promise; see RANKS."""
        return min((RANKS[word] for word in self.words), default=0)


@dataclass
class _Scans:
    """Scans of one scope by their names, from the closest spelling to the loosest."""

    exact: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    tokens: list[dict[Tokens, list[str]]] = field(
        default_factory=lambda: [defaultdict(list) for _ in range(3)]
    )
    tails: dict[Tokens, list[str]] = field(default_factory=lambda: defaultdict(list))
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        stem = _stem(name)
        read = _tokens(stem)
        self.names.append(name)
        self.exact[stem].append(name)
        for spelling, same in zip(_spellings(read), self.tokens, strict=True):
            same[spelling].append(name)
        if len(read) > 1 and not read[0].isdigit():
            self.tails[_spellings(read[1:])[2]].append(name)

    def find(self, reading: _Reading) -> list[str]:
        """The scans that a name read so can belong to: several only where they cannot be told apart."""
        if same := self.exact.get(reading.exact):
            return same
        for spelling, known in zip(_spellings(reading.rest), self.tokens, strict=True):
            if same := known.get(spelling):
                return same
        if not reading.rest and reading.plain and len(self.names) == 1:  # a folder a case: us.png, mask.png
            return self.names
        if reading.replaced and reading.plain and reading.rest:
            return self.tails.get(_spellings(reading.rest)[2], [])
        return []


def pair(images: Sequence[str]) -> Pairing:
    """Sort pictures, given by their paths (with `/`), into scans, the masks of each, and masks of none."""
    # what may be a mask, and of which scans
    folders = _Folders.of(images)
    readings = {name: list(_readings(_stem(name), folder=_folder(name) in folders.inside)) for name in images}
    certain = {
        name for name in images if _folder(name) in folders.inside or any(r.plain for r in readings[name])
    }
    scans_of = _find_scans(images, readings, folders, certain)
    uncertain = _settle(images, readings, certain, scans_of)
    masks = certain | uncertain
    # to whom each belongs: a chain, such as X_tumor of X_roi of X, ends at a picture that is no mask
    paired: dict[str, list[tuple[int, str]]] = defaultdict(list)
    unused: dict[str, str] = {}
    for name in sorted(masks):
        readings_of = [
            ([scan for scan in scans if scan not in masks], rank) for scans, rank in scans_of.get(name, [])
        ]
        scans, rank = next((reading for reading in readings_of if reading[0]), ([], 0))
        if not scans:
            unused[name] = "a mask without a scan"
        elif len({_stem(scan) for scan in scans}) > 1:
            unused[name] = "a mask whose name fits several scans"
        else:
            for scan in scans:
                paired[scan].append((rank, name))
    # of several annotations of a scan, the best
    kept = {
        scan: tuple(name for rank, name in several if rank == min(several)[0])
        for scan, several in paired.items()
    }
    used = {name for several in kept.values() for name in several}
    for several in paired.values():
        unused.update((name, "another annotation of its scan") for _, name in several if name not in used)
    return Pairing(tuple(name for name in images if name not in masks), kept, unused)


@lru_cache(maxsize=4096)
def is_mask_folder(name: str) -> bool:
    """Whether a folder of this name holds masks: Masks, GT, Ground Truth, segmentation, lesion_masks …"""
    read = set(_tokens(name))
    return bool(read & FOLDERS) and read <= FOLDERS | BESIDE


@lru_cache(maxsize=4096)
def is_scan_folder(name: str) -> bool:
    """Whether a folder of this name holds the scans of masks in a folder beside it: images, original …"""
    read = set(_tokens(name))
    return bool(read) and read <= SCANS


def same_stems(scans: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Of scans, given by their paths, those that share the name without suffix with others → these."""
    called: dict[str, list[str]] = defaultdict(list)
    for name in scans:
        called[_stem(name).casefold()].append(name)
    return {
        name: tuple(other for other in several if other != name)
        for several in called.values()
        for name in several
        if len(several) > 1
    }


def refuse(rgb: NDArray[np.uint8], where: str, twins: Iterable[tuple[str, NDArray[np.uint8]]] = ()) -> None:
    """Raise BusError, naming `where`, if a picture that was taken for a scan (H×W×3) looks like a mask.

    `twins` are scans of the same name elsewhere and their pixels, which are asked for only where the picture
    holds little: beside one of the same size that holds more, it is a mask, or empty as that of a normal.
    """
    advice = (
        "Put masks beside their scans as NAME_mask.png or into a folder masks/ beside images/; remove it if "
        "it is something else."
    )
    levels = len(np.unique(rgb[..., :3].max(axis=2)))
    if looks_like_mask(rgb):
        raise BusError(
            f"{where} holds {levels} grey levels, nearly all of its pixels black or white: a lesion mask "
            f"that was taken for a scan? {advice}"
        )
    if not looks_like_mask(rgb, beside=True):
        return
    for name, other in twins:
        if other.shape[:2] == rgb.shape[:2] and not looks_like_mask(other, beside=True):
            holds = "is empty"
            if levels > 1:
                holds = f"holds {levels} grey levels, most of its pixels black or white"
            raise BusError(
                f"{where} {holds}, and it has the name and size of {name}: its lesion mask, taken for "
                f"a scan? {advice}"
            )


def looks_like_mask(rgb: NDArray[np.uint8], *, beside: bool = False) -> bool:
    """Whether a picture (H×W×3) holds two to FEW_LEVELS grey levels, or nothing but nearly black and white.

    An ultrasound scan holds dozens of levels; a picture of one level is empty, whatever it was. With `beside`
    it has the name of a scan elsewhere: softer edges, and a single level, may be a mask then.
    """
    counts = histogram(rgb[..., :3].max(axis=2))
    levels = int((counts > 0).sum())
    if levels < 2:
        return beside
    near = TWIN_ENDS if beside else NEAR_ENDS
    ends = counts[:16].sum() + counts[240:].sum()
    both = counts[:16].any() and counts[240:].any()
    return levels <= FEW_LEVELS or bool(both and ends >= near * counts.sum())


def _stem(name: str) -> str:
    return unicodedata.normalize("NFC", splitext(name.rpartition("/")[2])[0]).strip()


@lru_cache(maxsize=4096)
def _tokens(text: str) -> Tokens:
    """Words and numbers of a name, in small letters; "ground truth" is one word."""
    read = [token.casefold() for token in TOKEN.findall(unicodedata.normalize("NFC", text))]
    joined: list[str] = []
    for token in read:
        if token == "truth" and joined and joined[-1] == "ground":
            joined[-1] = "groundtruth"
        elif token == "mode" and joined and joined[-1] == "b":
            joined[-1] = "bmode"
        else:
            joined.append(token)
    return tuple(joined)


def _spellings(tokens: Tokens) -> tuple[Tokens, Tokens, Tokens]:
    """A name as it is, without words for the scan itself, and that without leading zeros."""
    short = tuple(token for token in tokens if token not in SCANS)
    return tokens, short, tuple(token.lstrip("0") or "0" if token.isdigit() else token for token in short)


def _readings(stem: str, *, folder: bool) -> Iterator[_Reading]:
    """The ways to read a name as that of a mask; with `folder` it is known to be one."""
    # words at the end, numbers after them
    read = _tokens(stem)
    last = len(read)
    while last and read[last - 1].isdigit():
        last -= 1
    first = last
    while first and (read[first - 1] in RANKS or (first < last and read[first - 1].isdigit())):
        first -= 1
    while first < last and read[first].isdigit():
        first += 1
    words = frozenset(token for token in read[first:last] if token in RANKS)
    # the fewest words first: tumor_1_mask belongs to tumor_1, if there is one
    for start in (place for place in range(last - 1, max(first, 1) - 1, -1) if read[place] in RANKS):
        yield _Reading(_before(stem, read, start), read[:start], words)
        if words & PLAIN and last < len(read):  # benign_mask_001 beside benign_001
            yield _Reading("", read[:start] + read[last:], words)
    # words at the beginning
    lead = 0
    while lead < len(read) and read[lead] in RANKS:
        lead += 1
    if lead:
        words = frozenset(read[:lead])
        yield _Reading(_after(stem, read, lead), read[lead:], words, replaced=True)
    # words that make a mask wherever they stand, and folders that make one of every name
    if words := frozenset(read) & PLAIN:  # benign_mask_left
        yield _Reading("", tuple(token for token in read if token not in RANKS), words)
    if folder:
        yield _Reading(stem, read, frozenset())
        yield _Reading("", read[:last], frozenset())
        if len(read) > 1:
            yield _Reading("", read[1:], frozenset(), replaced=True)


def _before(stem: str, read: Tokens, count: int) -> str:
    """The stem up to its token number `count`."""
    return stem[: _places(stem, read)[count]].rstrip(ENDS[:-2])


def _after(stem: str, read: Tokens, count: int) -> str:
    """The stem from its token number `count` on."""
    places = _places(stem, read)
    return stem[places[count] :] if count < len(places) else ""


def _places(stem: str, read: Tokens) -> list[int]:
    """Where each token starts; tokens that were joined start with their first part."""
    starts = [match.start() for match in TOKEN.finditer(stem)]
    parts = [token.casefold() for token in TOKEN.findall(stem)]
    places: list[int] = []
    number = 0
    for token in read:
        places.append(starts[number])
        number += 1 if parts[number] == token else 2
    return places


@dataclass(frozen=True)
class _Folders:
    """Folders of masks: by their own name, or by that of the folder of scans beside them."""

    inside: Mapping[
        Path, Path
    ]  # a folder of masks, or below one → the folders above, which hold scans elsewhere
    scopes: Mapping[Path, Path]  # every folder → it without what only says what lies in it

    @classmethod
    def of(cls, images: Iterable[str]) -> "_Folders":
        """Find them among the folders of pictures."""
        folders = {_folder(name) for name in images}
        twins = _twins(folders)
        above: dict[Path, Path] = {}
        scans: set[Path] = set()
        for folder in folders:
            prefixes = [folder[:depth] for depth in range(len(folder) + 1)]
            masked = [path for path in prefixes[1:] if is_mask_folder(path[-1]) or path in twins]
            if masked:
                above[folder] = masked[0][:-1]
            else:
                scans.update(prefixes)
        inside = {folder: top for folder, top in above.items() if top in scans}
        return cls(inside, {folder: _scope(folder, inside.get(folder), twins) for folder in folders})


def _folder(name: str) -> Path:
    return tuple(name.split("/")[:-1])


def _scope(folder: Path, top: Path | None, twins: Mapping[Path, str]) -> Path:
    """A folder's path but for what only says what lies in it: benign/images and benign/masks are one."""
    first = len(folder) if top is None else len(top)  # from where on folders are of masks
    kept: list[str] = []
    for number, name in enumerate(folder):
        twin = twins.get(folder[: number + 1])
        if number >= first and twin:
            kept.append(twin)
        elif not (is_scan_folder(name) or (number >= first and is_mask_folder(name))):
            kept.append(name)
    return tuple(kept)


def _twins(folders: Iterable[Path]) -> dict[Path, str]:
    """Folders whose names are those of a folder beside them and a word for masks → that folder's name."""
    beside: dict[Path, set[str]] = defaultdict(set)
    for path in folders:
        for depth in range(len(path)):
            beside[path[:depth]].add(path[depth])
    twins: dict[Path, str] = {}
    for above, names in beside.items():
        spelt = {name: _spellings(_tokens(name))[1] for name in names}
        masked = {name: tokens for name, tokens in spelt.items() if FOLDERS.intersection(tokens)}
        for name, tokens in masked.items():
            rest = tuple(token for token in tokens if token not in RANKS)
            same = [other for other, others in spelt.items() if others == rest and other != name]
            if rest and len(same) == 1:
                twins[(*above, name)] = same[0]
    return twins


def _find_scans(
    images: Sequence[str], readings: Mapping[str, Sequence[_Reading]], folders: _Folders, certain: set[str]
) -> dict[str, list[tuple[list[str], int]]]:
    """For every picture that may be a mask, the scans it can belong to, and the rank of its words.

    By each way to read its name that fits some, the closest first.
    """
    scopes: dict[Path, _Scans] = defaultdict(_Scans)
    below: dict[Path, _Scans] = defaultdict(_Scans)  # all scans under the folder above masks
    tops = set(folders.inside.values())
    for name in images:
        if name in certain:
            continue
        path = _folder(name)
        scopes[folders.scopes[path]].add(name)
        for top in tops.intersection(path[:depth] for depth in range(len(path) + 1)):
            below[top].add(name)
    scans_of: dict[str, list[tuple[list[str], int]]] = defaultdict(list)
    for name in images:
        path = _folder(name)
        places = [scopes.get(folders.scopes[path])]
        if path in folders.inside:
            places.append(below.get(folders.inside[path]))
        for scans in filter(None, places):
            for reading in readings[name]:
                same = [scan for scan in scans.find(reading) if scan != name]
                if same:
                    scans_of[name].append((same, reading.rank))
    return scans_of


def _settle(
    images: Sequence[str],
    readings: Mapping[str, Sequence[_Reading]],
    certain: set[str],
    scans_of: Mapping[str, list[tuple[list[str], int]]],
) -> set[str]:
    """The masks among pictures whose words may also name what a scan shows.

    Such a word makes a mask beside a scan, and where most files with it lie beside one, of the others too.
    """
    paired: Counter[frozenset[str]] = Counter()
    alone: Counter[frozenset[str]] = Counter()
    words = {name: readings[name][0].words for name in images if name not in certain and readings[name]}
    for name, said in words.items():
        (paired if name in scans_of else alone)[said] += 1
    return {name for name, said in words.items() if name in scans_of or paired[said] > alone[said]}
