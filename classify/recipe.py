"""How a classifier is trained: the recipe that all arms of a comparison share."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..core import switches
from ..core.errors import UsageError
from ..core.files import Json
from ..core.switches import Needs, Values, switch
from .catalogue import LARGEST_SIDE, LITE0

if TYPE_CHECKING:  # a slip in --set is answered without torch
    import torch
    from torch import nn

MILESTONES = (5, 10)  # epochs after which `multistep` lowers the rate
STEP_EPOCHS = 5  # `step` lowers it after every so many epochs
GAMMA = 0.1  # to this share, in `multistep`, `step` and `plateau`: the seed project's
PATIENCE = 10  # epochs without a better validation loss that `plateau` waits, torch's default
MOMENTUM = 0.9  # of SGD


AUGMENT = Needs("augment", True, "no scan is augmented")


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained; the same for all arms of a comparison (equal effort)."""

    model: str
    steps: int
    batch: int = switch("scans a step", 32, above=0)
    learning_rate: float = switch("peak of the learning rate", 1e-3, above=0)
    head_rate: float = switch("of the last layer, times the others'", 1.0, above=0)
    weight_decay: float = switch("weight decay", 0.05)
    warm_up: float = switch(
        "share of the steps in which the rate rises; then half a cosine to 0",
        0.1,
        at_most=1,
        needs=Needs("schedule", "cosine", "only the schedule cosine warms up"),
    )
    smoothing: float = switch("of the labels", 0.05, at_most=1)
    soft: float = switch("share of an added scan's label that goes to the class of its source", 0.0, below=1)
    pairs: bool = switch(
        "put the scan that an added one was made from into its batch, moved alike, for another of its class",
        False,
        off=False,
    )
    consistency: float = switch(
        "weight of how differently the network sees an added scan and its source, but for their classes",
        0.0,
        off=0,
        needs=Needs("pairs", True, "no added scan has its source beside it"),
    )
    average: float = switch(
        "decay of the averaged weights that answer in the end; 0: the last weights answer", 0.99, at_most=1
    )
    recalibration: int = switch(
        "batches of real scans that give the averaged network its batch statistics; 0: averaged too",
        20,
        off=0,
    )
    init: str = "none"
    weighted: bool = False  # loss weighted by the inverse class frequency
    optimiser: str = switch("optimiser", "adamw", choices=("adamw", "adam", "sgd"))
    schedule: str = switch("how the rate falls", "cosine", choices=("cosine", "multistep", "step", "plateau"))
    epoch: int = 0  # steps of an epoch, the unit of all schedules but cosine
    augment: bool = switch("flip, affine, gain, contrast", True)
    rotation: float = switch(
        "largest turn of augmented scans, degrees", 10.0, at_most=180, off=10.0, needs=AUGMENT
    )
    zoom: float = switch("largest change of their scale", 0.1, below=1, off=0.1, needs=AUGMENT)
    shift: float = switch(
        "largest shift of them, a share of the side", 0.04, at_most=1, off=0.04, needs=AUGMENT
    )
    shear: float = switch("largest slant of them", 0.0, at_most=1, off=0.0, needs=AUGMENT)
    operations: int = switch(
        "on each augmented scan, drawn with their strength: TrivialAugment’s that keep ultrasound plausible",
        0,
        at_most=4,
        off=0,
        needs=AUGMENT,
    )
    speckle: float = switch(
        "deviation of the multiplicative noise on augmented scans, a share of the grey level",
        0.0,
        off=0,
        needs=AUGMENT,
    )
    validation: bool = switch(
        "keep the next fold out of the training part, to watch (plateau) or as the seed project did", False
    )
    refit: int = switch(
        "steps in which the last layer alone is fitted anew, to real scans with classes alike often", 0, off=0
    )
    prior: str = switch(
        "how frequent classes are among the scans of recalibration: as in the fold, or as the arm trained",
        "fold",
        choices=("fold", "arm"),
        off="fold",
        needs=Needs("recalibration", why="nothing is measured anew", example=20),
    )
    standardise: bool = switch(
        "SimpleCNN alone: shift and scale scans to a mean of 0 and a deviation of 1, about", False, off=False
    )
    enlarge: int = switch(
        "px of the side that smaller squares are enlarged to; 0: none", 0, at_most=LARGEST_SIDE, off=0
    )
    recorded: bool = switch(
        "record a whole step as a CUDA graph; graphics cards only, never run on one", False, off=False
    )

    @property
    def json(self) -> Mapping[str, Json]:
        """What is saved and hashed; switches that came later only where they differ from what was before."""
        return {name: value for name, value in asdict(self).items() if LATER.get(name) != value} | GONE

    @classmethod
    def from_json(cls, saved: Mapping[str, Json]) -> "Recipe":
        """The recipe that `json` gave; TypeError or ValueError for what this version does not know."""
        values = dict(saved)
        for name, value in GONE.items():
            if values.pop(name, value) != value:
                raise ValueError(f"{name} = {saved[name]} is no longer known")
        build: Callable[..., Recipe] = cls
        return build(**values)


# switches that won nothing and went, with what they were where nobody changed them: configurations still
# record them, so that trainings from before count
GONE: dict[str, str | float] = {"synthetic": "mixed", "synthetic_share": 0.5, "synthetic_weight": 0.5}
LATER: dict[str, str | float] = {  # what older trainings do not record, with what they had
    "prior": "fold",
    "head_rate": 1.0,
    "rotation": 10.0,
    "zoom": 0.1,
    "shift": 0.04,
    "shear": 0.0,
    "operations": 0,
    "soft": 0.0,
    "pairs": False,
    "consistency": 0.0,
    "refit": 0,
    "standardise": False,
    "enlarge": 0,
    "recorded": False,
}
SEEING = ("standardise", "enlarge")  # how a network sees squares: its weights say so themselves
# what networks have otherwise (docs/classifiers.md has the trials). A change that is asked for counts for all
TUNED: dict[str, Values] = {
    "simplecnn": {"standardise": True, "learning_rate": 3e-3},
    "resnet18": {"enlarge": 128},
    LITE0: {"learning_rate": 3e-4, "head_rate": 5.0},
}
SWITCHES = switches.of(Recipe)  # what --set and plans may change
# those that say how scans made from another class enter, idle in other arms
OF_ADDED = ("soft", "pairs", "consistency")
DEFAULTS = switches.defaults(Recipe)


def without_added(recipe: Recipe) -> Recipe:
    """A recipe as it is where no scan is added that was made from one of another class."""
    return switches.changed(recipe, {name: DEFAULTS[name] for name in OF_ADDED})


def check_changes(changes: Mapping[str, object], where: str = "--set") -> Values:
    """Values for switches of Recipe, from texts or values; UsageError names what does not fit or is idle.

    `where` says in an error where they come from, such as `--set`.
    """
    found = switches.read(SWITCHES, changes, where, DEFAULTS)
    switches.check_idle(SWITCHES, found, DEFAULTS | found, where)
    return found


def build_optimiser(
    network: "nn.Module", recipe: Recipe, *, fused: bool = False, device: str = "cpu"
) -> "torch.optim.Optimizer":
    """The optimiser of a recipe for all weights of a network; `fused`: one pass over memory (CPU, CUDA).

    Its groups hold, as `times`, how much faster than others they learn: the last layer may, from the first
    step. Where steps are recorded, their rate lies on the `device`. UsageError as of `head`.
    """
    import torch

    def rate(times: float = 1.0) -> "float | torch.Tensor":  # each group its own, to be written in place
        value = recipe.learning_rate * times
        return torch.tensor(value, device=device) if recipe.recorded else value

    decay, last = recipe.weight_decay, set(head(network).parameters()) if recipe.head_rate != 1 else set()
    weights = [
        {
            "params": [each for each in network.parameters() if (each in last) == faster],
            "times": times,
            "lr": rate(times),
        }
        for faster, times in ((False, 1.0), (True, recipe.head_rate))
        if last or not faster
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(weights, lr=rate(), momentum=MOMENTUM, weight_decay=decay, fused=fused)
    kind = torch.optim.Adam if recipe.optimiser == "adam" else torch.optim.AdamW
    return kind(weights, lr=rate(), weight_decay=decay, fused=fused, capturable=recipe.recorded)


def head(network: "nn.Module") -> "nn.Linear":
    """The last layer of a classifier; UsageError where that has no linear layer, as SqueezeNet."""
    from torch import nn

    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise UsageError(
            "head_rate, refit and consistency are about the last linear layer, and this network has none. "
            "Leave them out."
        )
    return linear[-1]


def rate(recipe: Recipe, step: int) -> float:
    """Factor on the learning rate at a step; `plateau` starts at 1 and is lowered by what it watches."""
    if recipe.schedule == "cosine":
        return cosine(step, recipe.steps, recipe.warm_up)
    epochs = step // max(1, recipe.epoch)
    if recipe.schedule == "multistep":
        return float(GAMMA ** sum(epochs >= milestone for milestone in MILESTONES))
    return float(GAMMA ** (epochs // STEP_EPOCHS)) if recipe.schedule == "step" else 1.0


def cosine(step: int, steps: int, warm_up: float) -> float:
    """Linear warm-up, then half a cosine to 0 (Loshchilov & Hutter 2017)."""
    rise = max(1, round(warm_up * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
