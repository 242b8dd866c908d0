"""Balance a breast-ultrasound data set with a CycleGAN and measure what that does to three classifiers.

Research use only: nothing here is a medical device. From Python, `bus.study` opens or creates a study and all
else is asked of it (docs/python.md). Nothing heavy is imported before a name is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api.dataset import ScanDataset as ScanDataset
    from .api.result import BenchmarkResult as BenchmarkResult
    from .api.study import Study as Study
    from .api.study import study as study
    from .api.translator import SyntheticScans as SyntheticScans
    from .api.translator import Translator as Translator
    from .cli.terminal import Terminal as Terminal
    from .core.errors import BusError as BusError
    from .core.errors import UsageError as UsageError
    from .core.progress import Interrupted as Interrupted
    from .core.progress import Listener as Listener

__version__ = "0.1.0"

PUBLIC = {  # name → the module that holds it
    "study": "api.study",
    "Study": "api.study",
    "ScanDataset": "api.dataset",
    "Translator": "api.translator",
    "SyntheticScans": "api.translator",
    "BenchmarkResult": "api.result",
    "Listener": "core.progress",
    "Terminal": "cli.terminal",
    "Interrupted": "core.progress",
    "BusError": "core.errors",
    "UsageError": "core.errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{PUBLIC[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    """The public names, for completion."""
    return ["__version__", *PUBLIC]
