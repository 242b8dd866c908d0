"""One grammar for what `--set NAME=VALUE` and the tables of a plan may change.

The fields of a dataclass say themselves which of them are switches, what they take and beside what they do
nothing:

    learning_rate: float = switch("peak of the learning rate", 1e-3, above=0)
    warm_up: float = switch("share of the steps", 0.1, at_most=1, needs=Needs("schedule", "cosine"))
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from .errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
Value = bool | int | float | str
Values = dict[str, Value]  # switches by name

LARGEST = 10**9  # no whole number of ours is larger; longer ones would overflow somewhere later
WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Needs:
    """What another switch must be for a value to have any effect, and why; `value` None: anything but off."""

    switch: str
    value: Value | None = None
    why: str = ""
    example: Value | None = None  # where `value` is None

    @property
    def wanted(self) -> Value | None:
        """A value of the other switch that mends it."""
        return self.example if self.value is None else self.value


@dataclass(frozen=True)
class Switch:
    """What one switch is for and takes: its type (bool, int, float or str), a range or a choice."""

    kind: type
    help: str  # one line
    choices: tuple[str, ...] = ()
    above: float | None = None  # instead of at_least
    at_least: float = 0
    at_most: float = math.inf
    below: float = math.inf
    off: Value | None = None  # the value that asks for nothing, and therefore needs nothing
    needs: Needs | None = None

    @property
    def expects(self) -> str:
        """What it takes, in words."""
        if self.kind is bool:
            return "true or false"
        if self.kind is str:
            *others, last = self.choices or ("a text",)
            return f"{', '.join(others)} or {last}" if others else last
        number = "a whole number" if self.kind is int else "a number"
        if self.at_most < math.inf:
            return f"{number} from {self.at_least:g} to {self.at_most:g}"
        low = f"above {self.above:g}" if self.above is not None else f"of {self.at_least:g} or more"
        return f"{number} {low}" + (f" and below {self.below:g}" if self.below < math.inf else "")

    def read(self, value: object) -> Value:
        """A value of this switch from a text or a value of its type; ValueError if it takes none such."""
        if self.kind is bool:
            taken: Any = WORDS.get(value.casefold()) if isinstance(value, str) else value
        elif self.kind in (int, float) and isinstance(value, str):
            taken = self.kind(value)
        else:
            taken = float(value) if self.kind is float and type(value) is int else value
        if not self.is_like(taken) or not self._is_allowed(taken):
            raise ValueError(value)
        return taken  # type: ignore[no-any-return]

    def is_like(self, value: object) -> bool:
        """Whether a value has the type and is not below the range; older versions wrote some above it."""
        kinds = (int, float) if self.kind is float else (self.kind,)
        if type(value) not in kinds:
            return False
        if not isinstance(value, int | float) or self.kind is bool:
            return True
        low = value > self.above if self.above is not None else value >= self.at_least
        return low and value < math.inf  # not a number compares as False

    def _is_allowed(self, value: Any) -> bool:
        if self.kind is str:
            return not self.choices or value in self.choices
        if self.kind is int and value > LARGEST:
            return False
        return self.kind is bool or (value <= self.at_most and value < self.below)


def switch(help: str, default: Any = MISSING, **limits: Any) -> Any:
    """A dataclass field that may be changed; `limits` are the fields of Switch but its type."""
    return dataclasses.field(default=default, metadata={"switch": {"help": help, **limits}})


def of(cls: type) -> dict[str, Switch]:
    """The switches of a dataclass by name."""
    kinds = {name: next(iter(get_args(kind)), kind) for name, kind in get_type_hints(cls).items()}
    return {
        field.name: Switch(kinds[field.name], **field.metadata["switch"])
        for field in dataclasses.fields(cls)
        if "switch" in field.metadata
    }


def defaults(cls: type) -> Values:
    """The switches of a dataclass with their values where nothing else is asked for."""
    fields = (item for item in dataclasses.fields(cls) if "switch" in item.metadata)
    return {item.name: item.default for item in fields}  # type: ignore[misc]


def values(settings: "DataclassInstance") -> Values:
    """The switches of an object with their values."""
    return {name: getattr(settings, name) for name in of(type(settings))}


def made(cls: Callable[..., T], values: Mapping[str, Value]) -> T:
    """An object of values that `read` has checked; what is left out keeps its default."""
    return cls(**values)


def changed(settings: T, changes: Mapping[str, Value]) -> T:
    """The object with other values, which `read` has checked."""
    return dataclasses.replace(settings, **changes)


def split(texts: Iterable[str], example: str) -> dict[str, str]:
    """What was typed as `--set NAME=VALUE`, by name; UsageError for anything else and a name given twice."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: expected NAME=VALUE, such as --set {example}.")
        if name in values:
            raise UsageError(f"--set {name} is given twice: {values[name]} and {value}. Leave one out.")
        values[name] = value
    return values


def read(
    switches: Mapping[str, Switch],
    changes: Mapping[str, object],
    where: str = "--set",
    usual: Mapping[str, Value] | None = None,
) -> Values:
    """Values from texts or values; UsageError names what is unknown or does not fit, and what would.

    `where` says in an error where they come from: `--set`, or a place in a file. `usual` are values that
    errors show as examples.
    """
    found: Values = {}
    for name, value in changes.items():
        at = _at(where, name, value)
        if name not in switches:
            known = ", ".join(switches)
            raise UsageError(f"{at}: {name} is unknown; known are {known}.{did_you_mean(name, switches)}")
        try:
            found[name] = switches[name].read(value)
        except (ValueError, OverflowError):
            example = (usual or {}).get(name, MISSING)
            like = "" if switches[name].kind in (str, bool) or example is MISSING else f", such as {example}"
            slip = did_you_mean(value, switches[name].choices) if isinstance(value, str) else ""
            raise UsageError(f"{at}: expected {switches[name].expects}{like}.{slip}") from None
    return found


def check_idle(
    switches: Mapping[str, Switch],
    changes: Mapping[str, Value],
    beside: Mapping[str, Value],
    where: str = "--set",
) -> None:
    """UsageError for a value of `changes` that does nothing where all switches are as in `beside`."""
    for name, value in changes.items():
        needs = switches[name].needs
        if needs is None or value == switches[name].off:
            continue
        other = beside[needs.switch]
        if other == needs.value or (needs.value is None and other != switches[needs.switch].off):
            continue
        why = f": {needs.why}" if needs.why else f" beside {_written(where, needs.switch, other)}"
        raise UsageError(
            f"{_at(where, name, value)} does nothing{why}. "
            f"Add {_written(where, needs.switch, needs.wanted, typed=True)}, or leave it out."
        )


def lines(switches: Mapping[str, Switch], usual: Mapping[str, Value]) -> Iterator[str]:
    """One line a switch: its name, the value without a change, what it is for and what it takes."""
    width = max(map(len, switches)) + 2
    for name, one in switches.items():
        yield f"{name:{width}}{text(usual[name])} by default; {one.help}; {one.expects}"


def text(value: object) -> str:
    """A value as one types it after the `=` of `--set`."""
    return str(value).casefold() if isinstance(value, bool) else str(value)


def _at(where: str, name: str, value: object) -> str:
    if where == "--set":
        return _written(where, name, value, typed=True)
    return f"{where}: {_written(where, name, value)}"


def _written(where: str, name: str, value: object, *, typed: bool = False) -> str:
    """A switch and its value as the user writes it there."""
    shown = text(f"{value:g}" if isinstance(value, float) else value)
    if where == "--set":
        return f"--set {name}={shown}" if typed else f"{name}={shown}"
    return f"{name} = {shown}"
