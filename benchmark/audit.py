"""The leak audit: everything that must hold of a fold before a classifier may train on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from ..core import files, progress
from ..core.chance import stream
from ..core.errors import BusError
from ..data.cohort import COHORT_FILE
from ..data.store import PIXELS_FILE, Pixels
from ..data.study import Study
from ..gan import reader
from ..gan.manifest import Remade, Synthetic, SyntheticSet
from ..gan.translator import Translator
from . import foreign
from .cell import kept_weights
from .cells import needed, synthetic_needed, used
from .pasting import Pasted, pasted
from .request import Request

# Grey levels, averaged over a scan, by which it may differ when it is made again on another processor.
APART = 1.0
# Scans of a translator that are made again at most; of more so many, drawn by chance, always the same.
REMADE = 2_000
# Options in which the translators of two folds may differ.
ARITHMETIC = ("fold", "seed", "drawn_from", "training_pixels", "precision", "threads", "device")


@dataclass(frozen=True)
class Check:
    """One line of the leak audit: what was checked, of what, on how many scans, and whether it held."""

    name: str
    count: int
    ok: bool
    detail: str = ""
    mend: str = "Make the synthetic scans of this fold again with bus gan train --redo and bus synth."
    fold: int | None = None  # None: of the folds together, or of none
    gan_seed: int | None = None  # of the translator whose scans it is about
    exact: int | None = None  # scans that were made once more and are the same bit for bit


def _none_of(name: str, count: int, bad: Sequence[str], mend: str = Check.mend) -> Check:
    """A check that holds where nothing is `bad`, of which three are named."""
    return Check(name, count, not bad, ", ".join(bad[:3]), mend)


def audit(study: Study, fold: int, request: Request) -> list[Check]:
    """Check a fold and the synthetic scans its arms use for leaks; BusError names the first one found."""
    checks = audit_split(study, fold) + _first_weights(study, fold, request)
    for place, label, gan_seed in synthetic_needed(study, request):
        if place == fold:
            rows = used(study, request, fold, label, gan_seed)
            of_scans = _refuse(fold, _synthetic(study, fold, label, gan_seed, rows))
            of_scans += _remade(Translator(study, fold, label, gan_seed), rows)
            scans = SyntheticSet(study, fold, label, gan_seed)
            of_scans += _filtered(scans, rows) + _read(study, fold, label, scans)
            checks += [replace(check, gan_seed=gan_seed) for check in of_scans]
    checks += _pasted(study, fold, request) + _unverified(study, fold, request)
    return [replace(check, fold=fold) for check in _refuse(fold, checks)]


def audit_split(study: Study, fold: int) -> list[Check]:
    """The checks that need no synthetic scans, before any translator is trained; BusError as `audit`."""
    train, test = study.train(fold), study.test(fold)

    # what is on both sides
    shared = {study.groups[row] for row in train} & {study.groups[row] for row in test}
    same = {study.scans[row].sha256 for row in train} & {study.scans[row].sha256 for row in test}
    pixels, mend = study.pixels, "Make a new study: this one's {} was changed."
    shown = {_digest(pixels[row]) for row in test}
    twins = [study.scans[row].file for row in train if _digest(pixels[row]) in shown]

    # the checks
    table, both = mend.format(COHORT_FILE), len(train) + len(test)
    checks = [
        _none_of("no group is in both the training and the test part", both, sorted(shared), table),
        _none_of("no test scan has the pixels of a training scan", len(test), sorted(same), table),
        _none_of("no square that trains is that of a test scan", len(train), twins, mend.format(PIXELS_FILE)),
    ]
    return [replace(check, fold=fold) for check in _refuse(fold, checks)]


def audit_translators(study: Study, request: Request) -> list[Check]:
    """Check that an arm is one treatment: all its translators have the same options; BusError if not."""
    checks = []
    for label in request.raised(study):
        made_by = [
            (fold, gan_seed) for fold, name, gan_seed in synthetic_needed(study, request) if name == label
        ]
        if len(made_by) < 2:
            continue
        options = [_options(study, fold, label, gan_seed) for fold, gan_seed in made_by]
        differences = {name for other in options for name in other if other[name] != options[0][name]}
        titles = [f"fold {fold}" + f", seed {seed}" * (request.gan_seeds > 1) for fold, seed in made_by]
        chosen = list(zip(titles, options, strict=True))
        detail = "; ".join(
            f"{name}: {', '.join(f'{values[name]} in {title}' for title, values in chosen)}"
            for name in sorted(differences)
        )
        check = Check(
            f"the translators to {label} have the same options on all folds",
            len(made_by),
            not differences,
            detail,
            "Give all folds the same options with bus gan train --redo and bus synth --redo, or compare them "
            "in two studies.",
        )
        checks += _refuse(None, [check])
    return checks


def _options(study: Study, fold: int, label: str, gan_seed: int) -> dict[str, files.Json]:
    """What a user chose of a fold's translator and of its filter.

    The preset paper counts its pairs from the fold's scans, so that they say nothing of a choice.
    """
    translator = Translator(study, fold, label, gan_seed)
    config = translator.known_config
    idle = (*ARITHMETIC, "pairs") if config.preset == "paper" else ARITHMETIC
    chosen = {name: value for name, value in vars(config).items() if name not in idle}
    return {**chosen, "confidence": translator.scans.confidence}


def _digest(square: Pixels) -> str:
    """Stands for a square among very many, which would not all fit into memory."""
    return files.sha256_bytes(np.ascontiguousarray(square).data)


def _refuse(fold: int | None, checks: Sequence[Check]) -> list[Check]:
    """The checks, if all hold; BusError naming the first that does not."""
    for check in checks:
        if not check.ok:
            where = "Unequal folds" if fold is None else f"Leak in fold {fold}"
            raise BusError(
                f"{where}: it does not hold that {check.name} ({check.detail}). No classifier was trained. "
                f"{check.mend}"
            )
    return list(checks)


def _first_weights(study: Study, fold: int, request: Request) -> list[Check]:
    """Of weights that a user gives what can be checked: no cell of this study made them on other scans."""
    if request.first is None:
        return []
    digest, test = files.sha256_file(request.first), study.pixels_sha256(study.test(fold))
    kept = list(kept_weights(study.path))
    strangers = [
        path.parent for path, test_pixels in kept if files.sha256_file(path) == digest and test_pixels != test
    ]
    return [
        Check(
            f"the first weights of {request.first.name} are of no cell with other test scans (unverified: "
            "what else they saw is unknown)",
            len(kept),
            not strangers,
            str(strangers[0]) if strangers else "",
            "Leave --init out for the folds on whose scans these weights were trained.",
        )
    ]


def _pasted(study: Study, fold: int, request: Request) -> list[Check]:
    """The checks of real lesions on real scans, made once more for every seed."""
    arms = [arm for arm in request.arms if arm.kind == "pasted"]
    made = [
        (label, one)
        for arm in arms
        for label in request.raised(study)
        if label != arm.source
        for seed in range(request.seeds)
        for one in pasted(
            study, fold, label, needed(study, fold, label, arm.dose), stream(seed, fold), arm.source
        )
    ]
    if not made:
        return []
    train, pixels = set(study.train(fold)), study.pixels
    shown = {_digest(pixels[row]) for row in study.test(fold)}
    groups = {study.groups[row] for row in study.test(fold)}

    def check(name: str, bad: list[Pasted]) -> Check:
        detail = study.scans[bad[0].background].file if bad else ""
        return Check(name, len(made), not bad, detail, "Report this: such scans are made anew each time.")

    return [
        check(
            "every pasted lesion, and every scan under it, is of this fold's training part",
            [
                one
                for _, one in made
                if not {one.background, one.lesion} <= train
                or {study.groups[one.background], study.groups[one.lesion]} & groups
            ],
        ),
        check(
            "every pasted lesion is of the class that it raises, the scan under it of another",
            [
                one
                for label, one in made
                if (study.scans[one.lesion].label == label) == (study.scans[one.background].label == label)
            ],
        ),
        check("no test scan is a pasted one", [one for _, one in made if _digest(one.square) in shown]),
    ]


def _unverified(study: Study, fold: int, request: Request) -> list[Check]:
    """What can be checked of another generator's scans."""
    # what is used
    number = max(
        (needed(study, fold, study.target, arm.dose) for arm in request.arms if arm.kind == "unverified"),
        default=0,
    )
    if not request.folder or not number:
        return []

    # what can be known of it
    copies = foreign.copies(study, request.folder, number, fold)
    told = foreign.told(study, request.folder, number, fold)
    mend = f"Take such scans out of {request.folder}."
    checks = [
        _none_of(
            f"no scan of {request.folder.name} looks like a test scan (unverified: what their generator saw "
            "is unknown)",
            number,
            [f"{file} like {test}" for file, test in copies],
            mend,
        )
    ]
    if told.count:
        name = (
            f"no manifest in {request.folder.name} tells of a generator that translated a test scan, or of "
            "one of another fold"
        )
        if told.elsewhere:
            name += f" ({told.elsewhere} of the scans come from other data, of which this cannot be said)"
        checks.append(_none_of(name, told.count, told.leaking, mend))
    return checks


def _synthetic(study: Study, fold: int, label: str, gan_seed: int, rows: Sequence[Synthetic]) -> list[Check]:
    """The checks of one translator and of those of its scans that are used."""
    # what they should be
    translator = Translator(study, fold, label, gan_seed)
    train, test = study.train(fold), study.test(fold)
    generator, config = translator.generator_sha256, translator.known_config
    training = {(study.scans[row].sha256, study.scans[row].label, study.scans[row].group) for row in train}
    if not translator.scans.is_stripped:
        translator.scans.pixels(rows)  # every file against the hash in its manifest
    squares = study.pixels
    shown = {_digest(squares[row]) for row in test}

    # the checks
    def check(name: str, bad: list[Synthetic]) -> Check:
        return Check(name, len(rows), not bad, bad[0].file if bad else "")

    return [
        check(
            f"every synthetic {label} scan was made for this fold", [row for row in rows if row.fold != fold]
        ),
        check(
            f"every synthetic {label} scan comes from this fold's generator",
            [row for row in rows if row.generator_sha256 != generator],
        ),
        check(
            "every source is a training scan of this fold, with its class and group",
            [row for row in rows if (row.source_sha256, row.source_label, row.source_group) not in training],
        ),
        check("no test scan is a synthetic scan", [row for row in rows if row.sha256 in shown]),
        Check(
            f"the generator of {label} scans saw the training part of this fold and nothing else",
            len(train),
            (config.fold, config.target, config.training_pixels) == (fold, label, study.pixels_sha256(train)),
            str(translator.folder),
        ),
    ]


def _remade(translator: Translator, rows: Sequence[Synthetic]) -> list[Check]:
    """The check that scans are what the generator makes of their sources, each translated once more.

    Which were is kept beside them: it is what can still be said once scans and generator are taken out.
    """
    which, scans = f"every synthetic {translator.target} scan", translator.scans
    kept = scans.remade or Remade(scans.sha256, (), 0, "")
    if len(rows) > REMADE:
        which = f"each of {REMADE:,} synthetic {translator.target} scans, of {len(rows):,} drawn by chance,"
        drawn = np.random.default_rng((translator.seed, 15)).permutation(len(rows))[:REMADE]
        rows = [rows[place] for place in sorted(drawn.tolist())]
    known = set(kept.files)
    if translator.is_stripped:
        unseen = [row.file for row in rows if row.file not in known]
        name = (
            f"{which} was what the generator made of its source on {kept.when}, before both were taken out "
            "of this study"
        )
        mend = "Copy scans and generator back from where the study comes from."
        return [replace(_none_of(name, len(kept.files), unseen, mend), exact=kept.exact)]
    strange, exact = _made_again(translator, rows)
    if not strange and (new := [row.file for row in rows if row.file not in known]):
        same, today = kept.exact + len(exact.intersection(new)), datetime.now(UTC).date().isoformat()
        try:
            with scans.held():  # whoever takes this lock sweeps up what is half-written
                scans.write_remade(Remade(kept.manifest, (*kept.files, *new), same, today))
        except BusError as error:  # a study may be read where nothing can be written
            progress.note(f"What was made once more is not kept: {error}")
    name = (
        f"{which} is what the generator makes of its source (bit for bit or, as another processor may, "
        f"within {APART:g} grey level on average)"
    )
    return [replace(_none_of(name, len(rows), strange), exact=len(exact))]


def _made_again(translator: Translator, rows: Sequence[Synthetic]) -> tuple[list[str], set[str]]:
    """Files of scans that come out otherwise when they are translated once more, and of those that are the
    same bit for bit."""
    from ..gan.synth import remake  # torch

    strange, exact = [], set()
    for row, made, (again, pixels) in zip(
        rows, translator.scans.pixels(rows), remake(translator, rows), strict=True
    ):
        if np.array_equal(made, pixels):
            exact.add(row.file)
        apart = np.abs(made.astype(int) - pixels).mean()
        told = replace(again, sha256=row.sha256, file=row.file)  # older versions called files otherwise
        if apart > APART or told != row:
            strange.append(row.file)
    return strange, exact


def _filtered(scans: SyntheticSet, rows: Sequence[Synthetic]) -> list[Check]:
    """The check of scans that a filter chose; none of another set."""
    confidence, place = scans.confidence, scans.readings_path
    if not confidence:
        return []
    readings = reader.Readings.open(place).readings if place.exists() else []
    passed = {one.file for one in readings if one.probability >= confidence}
    unread = [row.file for row in rows if row.file not in passed]
    name = f"every synthetic {scans.label} scan that a filter let pass has a reading that says so"
    return [_none_of(name, len(rows), unread)]


def _read(study: Study, fold: int, label: str, synthetic: SyntheticSet) -> list[Check]:
    """The checks of the readings that filter a set of scans, where there are any."""
    path, what = synthetic.readings_path, f"synthetic {label} scans"
    if not path.exists():
        return []

    # what the file says, and who may have read what
    kept, mend = reader.Readings.open(path), f"Delete {path} and run the same command again."
    scans = {row.file: (row.sha256, row.source_group) for row in synthetic.rows}
    seen, train = [set(groups) for groups in kept.trained_on], study.train(fold)
    rows = [(one, *scans.get(one.file, ("", ""))) for one in kept.readings]
    strange = [one.file for one, sha256, _ in rows if one.sha256 != sha256]
    biased = [
        one.file for one, _, group in rows if not 0 <= one.reader < len(seen) or group in seen[one.reader]
    ]
    alone = (kept.fold, kept.target, kept.training_pixels, kept.trained_on) == (
        fold,
        label,
        study.pixels_sha256(train),
        reader.trained_on(study, fold, label),
    )

    # the checks
    return [
        _none_of(
            f"no reader of {what} saw the group of the scan, or of its source, that it read",
            len(rows),
            biased,
            mend,
        ),
        _none_of(f"every reading of {what} is of the very pixels", len(rows), strange, mend),
        Check(
            f"the readers of {what} saw the training part of this fold and nothing else",
            len(train),
            alone,
            str(path),
            mend,
        ),
    ]
