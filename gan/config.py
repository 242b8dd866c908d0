"""What decides a translator: its switches, and the methods and presets that set them."""

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, get_type_hints

from ..core import switches
from ..core.chance import stream
from ..core.compute import Compute
from ..core.errors import BusError, UsageError, did_you_mean
from ..core.files import Json
from ..core.switches import Needs, Value, Values, switch
from ..data.names import clean
from .extractors import LITE1

if TYPE_CHECKING:  # a slip in --set is answered without torch
    from ..data.study import Study
    from .networks import AnyGenerator


INITS = ("none", "phantoms-1")  # a name means the same weights for ever
# what all of them are of: class, px, channels and blocks
INIT_TARGET, INIT_SIZE, INIT_SHAPE = "malignant", 64, (32, 6)


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a translator is trained on, for how long, and by which arithmetic."""

    target: str
    sources: tuple[str, ...]
    fold: int | None
    seed: int
    size: int  # px
    preset: str  # effort
    method: str  # detail | projected | published: where the switches below come from
    pairs: int  # source and target scans shown, in pairs
    precision: str
    threads: int
    device: str
    training_pixels: str  # hash of the pixels and classes it sees


@dataclass(frozen=True, kw_only=True)
class Switches:
    """What decides a translator beside its training scans: what a method sets and `--set` may change."""

    phantoms: float = switch(
        "share of the pairs, the first ones, that are simulated scans (warm start)", at_most=1
    )
    batch: int = switch("pairs a step", above=0)
    generator: str = switch("network that translates", choices=("compact", "detail", "published"))
    channels: int = switch("channels of the first layer, generators and patch discriminators alike", above=0)
    blocks: int = switch("residual blocks", above=0)
    upsampling: str = switch(
        "how the generator enlarges", choices=("nearest", "bilinear", "transposed"), off="nearest"
    )
    noise: int = switch(
        "numbers that vary a translation; 0: one result a source",
        off=0,
        needs=Needs("generator", "compact", "the other generators take no noise"),
    )
    discriminator: str = switch(
        "what discriminators look at", choices=("patch", "projected", "both"), off="patch"
    )
    adversarial: str = switch("adversarial loss", choices=("least-squares", "hinge"))
    augmentation: bool = switch("differentiable augmentation of all that discriminators see")
    learning_rate: float = switch("learning rate", above=0)
    cycle: float = switch("weight of the cycle loss beside the adversarial one")
    identity: float = switch("weight of the identity loss")
    buffer: int = switch("earlier synthetic scans that patch discriminators still see")
    average: float = switch("decay of the averaged generator; 0: none", below=1)
    shift: int = switch("px, training scans are moved by up to this")
    eyes: int = switch(
        "px, side at which the frozen network of a projected discriminator sees a scan",
        128,
        above=0,
        off=128,
        needs=Needs("discriminator", why="the patch discriminator looks at pixels alone", example="both"),
    )
    reach: int = switch(
        "px around each pixel whose mean counts as coarse; finer detail stays the source's",
        2,
        above=0,
        off=2,
        needs=Needs("generator", "detail", "only that generator takes a scan apart"),
    )
    grain: bool = switch(
        "speckle may also come from the mirrored scan, of the same depth",
        False,
        off=False,
        needs=Needs("generator", "detail", "only that generator takes a scan apart"),
    )
    train_size: int = switch(
        "px, a smaller side at which it is trained; scans keep what is finer; 0: the scans' own",
        0,
        off=0,
        needs=Needs("generator", "detail", "only that generator keeps what it does not see"),
    )
    from_size: int = switch(
        "px, a smaller side at which it is first trained, with half as many pairs in addition; 0: none",
        0,
        off=0,
        needs=Needs("generator", "detail", "only that generator grows"),
    )
    init: str = switch(
        "what generators begin with: as drawn, or weights that come with the package, of phantoms",
        "none",
        choices=INITS,
        off="none",
        needs=Needs("generator", "detail", "they are weights of that generator"),
    )
    recorded: bool = switch(
        "record a whole step as a CUDA graph; graphics cards only, timed on one",
        False,
        off=False,
        needs=Needs("buffer", 0, "a replay buffer draws within a step"),
    )


@dataclass(frozen=True, kw_only=True)
class GanConfig(Switches, Training):
    """Everything that decides a translator's weights; saved beside them as `config.json`."""

    drawn_from: int = 0  # the fold, from which random numbers are drawn too; before that was so, always 0

    @property
    def draw(self) -> int:
        """The number from which all random numbers of the training are drawn."""
        return stream(self.seed, self.drawn_from)

    @property
    def smaller(self) -> "GanConfig":
        """The configuration of the training at `from_size`, whose weights this one starts from."""
        side, pairs = self.from_size, max(1, self.pairs // 2)
        usual, here = (_usual(self.method, self.preset, size, self.target, 0) for size in (self.side, side))
        follow = {name: getattr(here, name) for name in SIZED if getattr(self, name) == getattr(usual, name)}
        return replace(self, size=side, pairs=pairs, train_size=0, from_size=0, **follow)

    @property
    def side(self) -> int:
        """Of the scans that it is trained on, px; it makes scans of `size` px."""
        return self.train_size or self.size

    @property
    def simulated(self) -> float:
        """Share of its pairs, the first ones, that are phantoms; none after a smaller training with them."""
        return 0.0 if self.from_size else self.phantoms

    @property
    def first_weights(self) -> str:
        """Which weights of the package its generators begin with; none after a smaller training with them."""
        return "none" if self.from_size else self.init

    @property
    def steps(self) -> int:
        """Optimiser steps in all."""
        return -(-self.pairs // self.batch)

    @property
    def trained_with(self) -> str | None:
        """The pretrained network that trains this translator and must therefore not judge it, or None."""
        return None if self.discriminator == "patch" else LITE1

    @property
    def json(self) -> Mapping[str, Json]:
        """What `config.json` holds and `DONE` hashes.

        Switches that came later stand in it only where they differ from what was before.
        """
        return {
            name: value for name, value in asdict(self).items() if name not in LATER or LATER[name] != value
        }

    def build_generator(self) -> "AnyGenerator":
        """An untrained generator of this configuration; weights are drawn from torch's global generator."""
        from .networks import CompactGenerator, DetailGenerator, Generator

        if self.generator == "detail":
            return DetailGenerator(
                self.channels,
                self.blocks,
                self.side,
                self.reach,
                self.upsampling,
                grain=self.grain,
                smooth=self.train_size > 0,
            )
        if self.generator == "published":
            return Generator(self.channels, self.blocks, self.upsampling)
        return CompactGenerator(self.channels, self.blocks, self.noise)


@dataclass(frozen=True)
class Preset:
    """How long a translator is trained, and what that changes of a method; None: nothing."""

    pairs: int = 0
    epochs: int = 0  # instead of pairs: passes over the larger side
    phantoms: float | None = None
    batch: int | None = None
    channels: int | None = None
    blocks: int | None = None
    upsampling: str | None = None
    average: float | None = None
    shift: int | None = None

    def on(self, method: Switches) -> Switches:
        """The switches of a method with this effort."""
        own = {name: value for name, value in vars(self).items() if value is not None and name in SWITCHES}
        return switches.changed(method, own)

    def pairs_of(self, sides: Collection[int]) -> int:
        """Its pairs, where the two sides have so many scans."""
        return self.pairs or self.epochs * max(sides)


SWITCHES = switches.of(Switches)  # what --set may change
# what older translators do not record, with what they had
LATER = {item.name: item.default for item in fields(GanConfig) if item.default is not MISSING}
GONE = {"negatives": 0.0, "diversity": 0.0}  # switches that lost, with what asked for nothing
METHODS = {
    # Zhu et al. 2017; nearest-neighbour upsampling and averaged weights outside the preset paper
    "published": Switches(
        generator="published",
        channels=32,
        blocks=6,
        upsampling="nearest",
        noise=0,
        discriminator="patch",
        adversarial="least-squares",
        augmentation=False,
        learning_rate=2e-4,
        cycle=10.0,
        identity=5.0,
        buffer=50,
        average=0.999,
        shift=4,
        batch=4,
        phantoms=0.0,
    ),
    # the default until the generator below was measured; what was tried: docs/translator.md
    "projected": Switches(
        generator="compact",
        channels=32,
        blocks=6,
        upsampling="nearest",
        noise=0,
        discriminator="both",
        adversarial="hinge",
        augmentation=True,
        learning_rate=2e-4,
        cycle=20.0,
        identity=4.0,
        buffer=0,
        average=0.999,
        shift=4,
        batch=4,
        phantoms=0.15,
    ),
}
# as projected, with a generator that starts as the identity or from phantoms, so that its losses of cycle and
# identity can be light. Where first weights do not fit, and nobody asked for them, there are none
METHODS["detail"] = replace(
    METHODS["projected"],
    generator="detail",
    upsampling="bilinear",
    cycle=10.0,
    identity=1.0,
    init="phantoms-1",
)
METHOD = "detail"  # unless the preset is paper
EYES = ((64, 128), (128, 160), (float("inf"), 224))  # scans of up to so many px are shown at this side
PRESETS = {
    "demo": Preset(pairs=400, channels=16, blocks=3, phantoms=0.0),
    "quick": Preset(pairs=6_000),
    "standard": Preset(pairs=30_000),
    "paper": Preset(epochs=200, batch=1, channels=64, upsampling="transposed", average=0.0, shift=0),
}
SIZED = ("shift", "eyes")  # switches that follow the side where nobody asked for others
ENLARGING = {"compact": ("nearest",), "detail": ("nearest", "bilinear")}  # the published generator can do all


def check_preset(preset: str) -> None:
    """UsageError unless there is an effort called so."""
    if preset not in PRESETS:
        raise UsageError(
            f"--preset {preset} is unknown; choose one of {', '.join(PRESETS)}."
            f"{did_you_mean(preset, PRESETS)}"
        )


def check_options(preset: str | None, method: str | None, changes: Mapping[str, str]) -> tuple[str, Values]:
    """The method, and the values of changed switches; UsageError for a slip, before any scan is read."""
    if preset:
        check_preset(preset)
    method = method or ("published" if preset == "paper" else METHOD)
    if method not in METHODS:
        raise UsageError(
            f"--method {method} is unknown; choose one of {', '.join(METHODS)}."
            f"{did_you_mean(method, METHODS)}"
        )
    if preset == "paper" and method != "published":
        raise UsageError(
            "--preset paper is the published method; leave --method out, or choose another preset."
        )
    return method, switches.read(SWITCHES, changes, "--set", switches.values(METHODS[method]))


def usual_preset(device: str) -> str:
    """The effort where none is asked for: what a device does in an hour or two."""
    return "quick" if device == "cpu" else "standard"


def configure(
    study: "Study",
    compute: Compute,
    *,
    fold: int | None,
    target: str,
    seed: int,
    preset: str,
    pairs: int | None = None,
    sources: Sequence[str] | None = None,
    method: str | None = None,
    changes: Mapping[str, str] | None = None,
) -> GanConfig:
    """Resolve method and preset for one fold of a study, then apply `changes`: switches, as text.

    `sources`: the classes to translate from, all others unless given. UsageError for a preset, method, class,
    switch or value that does not exist, BusError where the fold lacks scans of either side.
    """
    from ..data.phantom.simulation import PAIRED  # late, as in lacks_phantoms: it takes a second to import

    # method, effort, switches
    method, changed = check_options(preset, method, changes or {})
    target = check_target(study, target)
    size, generator = study.settings.size, changed.get("generator", METHODS[method].generator)
    own = _default_train_size(method, generator, size, grows=bool(changed.get("from_size")))
    usual = _usual(method, preset, size, target, int(changed.get("train_size", own)))
    resolved = switches.changed(usual, changed)
    side = resolved.train_size or size
    if changed.get("phantoms") and target not in PAIRED:
        raise UsageError(
            f"--set phantoms={resolved.phantoms:g}: there are phantoms of {' and '.join(PAIRED)}, none of "
            f"{target} to begin with. Leave it out, or translate to one of these classes (--to)."
        )
    switches.check_idle(SWITCHES, changed, switches.values(resolved))
    _check_enlarging(resolved, changed)
    check_smaller("--set train_size=", resolved.train_size, size)
    check_smaller("--from-size ", resolved.from_size, side)
    _check_shape(resolved, resolved.from_size or side)
    if why := _unfit_init(resolved, resolved.from_size or side, target):
        if "init" in changed:
            raise UsageError(f"--set init={resolved.init}: these weights {why}. Leave it out.")
        resolved = replace(resolved, init="none")
    if resolved.recorded and compute.device != "cuda":
        raise UsageError(
            f"--set recorded=true: a CUDA graph needs a graphics card, and this is {compute.device}. Leave "
            "it out."
        )

    # scans of either side
    sources = check_sources(study, target, sources)
    rows = study.train(fold)
    count = {
        side: len(study.rows_of(rows, names)) for side, names in (("source", sources), ("target", [target]))
    }
    if not all(count.values()):
        part = "The cohort" if fold is None else f"The training part of fold {fold}"
        raise BusError(
            f"{part} holds {count['target']} scans of {target} and {count['source']} of other classes; a "
            "translator needs both. Choose another --fold, or correct the folds of the data."
        )
    return GanConfig(
        target=target,
        sources=sources,
        fold=fold,
        seed=seed,
        size=study.settings.size,
        preset=preset,
        method=method,
        pairs=pairs or PRESETS[preset].pairs_of(count.values()),
        **vars(resolved),
        precision=compute.precision,
        threads=compute.threads,
        device=compute.device,
        training_pixels=study.pixels_sha256(rows),
        drawn_from=fold or 0,
    )


def check_target(study: "Study", target: str, option: str = "--to") -> str:
    """The class to make, as the study writes it; UsageError, which names `option`, unless it has it."""
    target = clean(target)
    if target not in study.classes:
        raise UsageError(
            f"{option} {target}: the study's classes are {', '.join(study.classes)}."
            f"{did_you_mean(target, study.classes)}"
        )
    return target


def check_sources(study: "Study", target: str, sources: Sequence[str] | None) -> tuple[str, ...]:
    """The classes to translate from, in order; UsageError unless they and `target` are its own."""
    target = check_target(study, target)
    others = [name for name in study.classes if name != target]
    if sources is not None and (not sources or set(sources) - set(others)):
        slip = "".join(did_you_mean(name, others) for name in sources if name not in others)
        raise UsageError(f"--from {','.join(sources)}: expected some of {', '.join(others)}.{slip}")
    return tuple(name for name in others if sources is None or name in sources)


def check_smaller(option: str, side: int, size: int) -> None:
    """UsageError, which names the option, unless `side` px is a smaller side for `size` px, or 0: none."""
    halves = [size >> times for times in range(1, 8) if size % (1 << times) == 0 and size >> times >= 32]
    if side and side not in halves:
        raise UsageError(
            f"{option}{side}: for {size} px expected {' or '.join(map(str, halves)) or 'none'}. Leave "
            f"it out to start at {size} px."
        )


def _check_shape(resolved: Switches, side: int) -> None:
    """UsageError for switches with which no network can be built for scans of `side` px, its smallest."""
    if resolved.generator == "compact" and resolved.channels < 2:
        raise UsageError(
            f"--set channels={resolved.channels}: the generator compact ends with half as many; expected "
            "2 or more."
        )
    if resolved.generator == "detail" and resolved.reach >= side:
        raise UsageError(
            f"--set reach={resolved.reach}: scans are mirrored at their edges, and the smallest ones "
            f"here have {side} px; expected {side - 1} or less, such as 2."
        )


def _unfit_init(resolved: Switches, size: int, target: str) -> str:
    """Why the package's first weights do not fit a translator of scans of `size` px; "" where they do."""
    from .networks import unshuffle_of  # late: torch takes a second to import

    if resolved.init == "none":
        return ""
    channels, blocks = INIT_SHAPE
    theirs, ours = unshuffle_of(INIT_SIZE), unshuffle_of(size)
    wrong = {
        f"make scans of {INIT_TARGET}, not of {target}": target != INIT_TARGET,
        f"have {channels} channels and {blocks} blocks, not {resolved.channels} and {resolved.blocks}": (
            (resolved.channels, resolved.blocks) != INIT_SHAPE
        ),
        f"are of {INIT_SIZE} px, and {size} px is less": size < INIT_SIZE,
        f"gather {theirs} px a side, and scans of {size} px are gathered by {ours}": ours % theirs != 0,
        "know no grain": resolved.grain,
        f"are of the generator detail, not of {resolved.generator}": resolved.generator != "detail",
        f"enlarge bilinearly, not by {resolved.upsampling}": resolved.upsampling != "bilinear",
    }
    return next((why for why, holds in wrong.items() if holds), "")


def lacks_first_weights(config: GanConfig) -> str:
    """Why a translator begins without its method's first weights, where they do not fit it; else nothing."""
    usual = replace(config, init=METHODS[config.method].init)
    if config.init == usual.init:
        return ""
    return _unfit_init(usual, config.from_size or config.side, config.target)


def lacks_phantoms(method: str, preset: str, target: str) -> bool:
    """Whether method and effort ask for a warm start for which this class lacks phantoms."""
    from ..data.phantom.simulation import PAIRED

    return bool(PRESETS[preset].on(METHODS[method]).phantoms) and target not in PAIRED


def _usual(method: str, preset: str, size: int, target: str, train_size: int) -> Switches:
    """The switches of a method and an effort for scans of `size` px, where it is trained at that side."""
    usual = PRESETS[preset].on(METHODS[method])
    if lacks_phantoms(method, preset, target):
        usual = replace(usual, phantoms=0.0)
    if preset == "paper" and size > 128:
        usual = replace(usual, blocks=9)  # the paper takes nine blocks from 256 px on and six at 128
    if method == "detail":
        side = train_size or size
        usual = replace(usual, train_size=train_size, shift=side // 16, eyes=eyes_of(side))
    return usual


def _default_train_size(method: str, generator: Value, size: int, *, grows: bool) -> int:
    """The `train_size` that nobody asked for; 0 where it grows, or cannot make larger scans than it saw."""
    return usual_train_size(size) if method == METHOD and generator == "detail" and not grows else 0


def usual_train_size(size: int) -> int:
    """The side at which translators to scans of `size` px are trained: its smallest fitting half, quarter …

    That has at least 64 px and is divided by 4; 0, their own, where there is none. By what was measured at
    128 and 256 px (docs/translator.md).
    """
    halves = [size >> times for times in range(1, 8) if size % (4 << times) == 0]
    return min((side for side in halves if side >= INIT_SIZE), default=0)


def eyes_of(size: int) -> int:
    """The side in px at which the frozen network sees scans of `size` px."""
    return next(side for most, side in EYES if size <= most)


def _check_enlarging(resolved: Switches, changed: Mapping[str, Value]) -> None:
    """UsageError for a way of enlarging that a user chose and the generator does not have."""
    way, known = changed.get("upsampling"), ENLARGING.get(resolved.generator)
    if way and known and way not in known:
        raise UsageError(
            f"--set upsampling={way} does nothing: the generator {resolved.generator} enlarges by "
            f"{' or '.join(known)}. Add --set generator=published, or leave it out."
        )


def options(config: GanConfig, study: "Study") -> str:
    """The options of `bus gan train` that ask for a configuration, beside fold, class and seed."""
    parts = [f"--preset {config.preset}"]
    if config.preset != "paper" and config.method != METHOD:
        parts.append(f"--method {config.method}")
    if config.sources != check_sources(study, config.target, None):
        parts.append(f"--from {shlex.quote(','.join(config.sources))}")
    rows = study.train(config.fold)
    sides = [len(study.rows_of(rows, labels)) for labels in (config.sources, [config.target])]
    if config.pairs != PRESETS[config.preset].pairs_of(sides):
        parts.append(f"--pairs {config.pairs}")
    return " ".join(parts + [f"--set {name}={value}" for name, value in changes_of(config).items()])


def changes_of(config: GanConfig) -> dict[str, str]:
    """The switches that are not as its method and preset have them today, as text."""
    own = _default_train_size(config.method, config.generator, config.size, grows=config.from_size > 0)
    usual = _usual(config.method, config.preset, config.size, config.target, config.train_size)
    usual = replace(usual, train_size=own)
    if lacks_first_weights(config):
        usual = replace(usual, init="none")
    chosen = switches.values(config)
    return {
        name: switches.text(chosen[name])
        for name, value in switches.values(usual).items()
        if chosen[name] != value
    }


def _fits(name: str, value: object, kind: type) -> bool:
    """Whether a value in a file can be that of a field of GanConfig; older versions allowed larger ones."""
    if name in SWITCHES:
        return SWITCHES[name].is_like(value)
    if name == "sources":
        return isinstance(value, tuple) and all(isinstance(label, str) for label in value)
    least = 1 if name in ("pairs", "size") else 0
    return (
        isinstance(value, kind)
        and not isinstance(value, bool)
        and (not isinstance(value, int) or value >= least)
    )


def from_json(content: Mapping[str, Json]) -> GanConfig:
    """The configuration that `GanConfig.json` gave, in this version or an older one.

    BusError for one with a switch that is gone, unless it asked for nothing; KeyError or TypeError for
    anything that is no configuration.
    """
    if not isinstance(content["sources"], list):
        raise TypeError("the value of sources")
    for name, off in GONE.items():
        if content.get(name, off) != off:
            raise BusError(
                f"a translator with {name}={content[name]}, a switch that is gone: it moved scans away from "
                "real ones (docs/translator.md). Use the version that trained it, or --redo to start anew."
            )
    kept = {name: value for name, value in content.items() if name not in GONE}
    build: Callable[..., GanConfig] = GanConfig  # of anything: its kinds are looked at below
    config = build(**{**kept, "sources": tuple(content["sources"])})
    kinds = get_type_hints(GanConfig)
    wrong = [name for name, kind in kinds.items() if not _fits(name, getattr(config, name), kind)]
    if wrong:
        raise TypeError(f"the value of {wrong[0]}")
    return config
