"""The classification networks of torchvision by name; read without torch, so that slips answer at once."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ..core.errors import UsageError, did_you_mean
from .catalogue import KNOWN

REGISTERED = re.compile(r"^@register_model\(\)\n(?:@.*\n(?:.*\n)*?)?def (\w+)\(", re.MULTILINE)


@cache
def torchvision_names() -> tuple[str, ...]:
    """Every name that torchvision registers, from its source: importing it takes torch along."""
    package = find_spec("torchvision")
    folders = package.submodule_search_locations if package else None
    files = [file for folder in folders or () for file in Path(folder, "models").glob("*.py")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return tuple(sorted(name for text in texts for name in REGISTERED.findall(text)))


def check_model(name: str, option: str = "--models") -> None:
    """UsageError unless there is a classifier called so: one of the house, or one of torchvision."""
    if name in KNOWN or name in torchvision_names():
        return
    raise UsageError(
        f"{option} {name} is unknown; choose among {', '.join(KNOWN)}, or any classification network of "
        f"torchvision (bus benchmark --models help).{did_you_mean(name, (*KNOWN, *torchvision_names()))}"
    )
