"""A sub-study whose split is per image, as in most published work: to show what that would have claimed."""

from dataclasses import replace

from ..classify.catalogue import INFLATED
from ..data.caution import Caution
from ..data.cohort import Scan
from ..data.settings import Settings
from ..data.study import Study, derived, foreseen
from ..gan.request import begun_like
from ..gan.translator import Translator
from .arms import Arm
from .request import Request

FOLDER = "per-image"
TEST, VALIDATION, ALL = 159, 127, 780  # the seed project's split of BUSI's 780 scans; the other 494 train


def per_image(study: Study) -> Study:
    """Make, or open, the sub-study of the same scans: fold 0 to test, fold 1 to watch, the rest in fold 2.

    The folds are stratified by class. Every scan is a group of its own. Scans that the study locks away stay
    out of it.
    """

    def like(sub: Study) -> bool:
        pixels = study.pixels_sha256(study.used())
        return sub.settings.data == study.settings.data and sub.pixels_sha256(sub.used()) == pixels

    return derived(study, study.path / FOLDER, like, lambda: recut(study))


def preview(study: Study) -> Study:
    """The sub-study, or one that exists in memory only, for a dry run."""
    return foreseen(study, study.path / FOLDER, lambda: recut(study))


def per_image_request(request: Request) -> Request:
    """Two of the models that were asked for, two arms, one seed: enough to show what a split claims."""
    return replace(
        request,
        folds=(0,),
        arms=(Arm("original"), Arm("cyclegan")),
        models=tuple(name for name in INFLATED if name in request.models),
        seeds=1,
        gan_seeds=1,
        init="none",
        balance=(),
        folder=None,
        external="",
        inflation=False,
        keep_weights=False,
    )


def per_image_training(study: Study, sub: Study, request: Request) -> Request:
    """The same as `per_image_request`, with a translator in the sub-study that is begun as the study's own.

    Else more than the split would differ. One that was begun already goes on as it was.
    """
    asked, seed = per_image_request(request), request.gan_seed
    own = Translator(study, request.folds[0], study.target, seed).config
    begun = Translator(sub, asked.folds[0], sub.target, seed).config
    return replace(asked, ask=begun_like(own)) if own and not begun else asked


def recut(study: Study) -> tuple[Settings, list[Scan]]:
    """Settings and scans of the same cohort, split per image."""
    folds = split([study.scans[row].label for row in study.used()], study.settings.seed)
    number = dict(zip(study.used(), folds, strict=True))
    scans = [
        replace(scan, fold=number.get(row), group=f"image-{row}") if row in number else scan
        for row, scan in enumerate(study.scans)
    ]
    return replace(study.settings, k=3, cautions=(*study.settings.cautions, Caution("per image"))), scans


def split(labels: list[str], seed: int) -> list[int]:
    """Fold of every scan, in the seed project's shares, stratified by class."""
    total = len(labels)
    test, watch = (max(1, round(total * part / ALL)) for part in (TEST, VALIDATION))
    from sklearn.model_selection import train_test_split  # late: it takes a second to import

    rest, tested = train_test_split(range(total), test_size=test, stratify=labels, random_state=seed)
    _, watched = train_test_split(
        rest, test_size=watch, stratify=[labels[row] for row in rest], random_state=seed
    )
    place = dict.fromkeys(tested, 0) | dict.fromkeys(watched, 1)
    return [place.get(row, 2) for row in range(total)]
