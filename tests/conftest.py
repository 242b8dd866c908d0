"""Shared fixtures: hypothesis without chance, the real scans where they lie beside the checkout."""

import copy
import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from bus.core.compute import cores
from bus.core.progress import Listener, listening
from hypothesis import settings

if TYPE_CHECKING:
    from bus.core.recorded import Recorded

settings.register_profile("bus", derandomize=True, database=None, deadline=None)
settings.load_profile("bus")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Real scans are read in `make test-long`: decoding BUSI alone takes a minute."""
    if "datasets" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.long)


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """No test leaves torch with another number of threads, on which last digits depend."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 0)) or cores())


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder with the real scans of development; the test is skipped without it."""
    for parent in Path(__file__).resolve().parents:
        folder = parent.parent / "shared" / "datasets"
        if (folder / "busi").is_dir():
            return folder
    pytest.skip("no real scans beside the checkout (../shared/datasets)")


@pytest.fixture(scope="session", autouse=True)
def hurried_judges() -> Iterator[None]:
    """Judges of synthetic scans draw and train less and see no scan twice; their own tests ask for more."""
    from bus.gan.scores import features, judges, score, trained, two_sample

    seen = remembering(features.features)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "features", seen)
        patch.setattr(score, "features", seen)
        patch.setattr(two_sample, "DRAWS", 1)
        patch.setattr(judges, "REPEATS", 4)
        patch.setattr(trained, "EPOCHS", 1)
        yield


def remembering(compute: Callable[..., Any]) -> Callable[..., Any]:
    """`features` that sees the same scans with the same network once; `__wrapped__` is the one given.

    The very array counts, not each scan: last digits depend on the others of a batch.
    """
    known: dict[tuple[Any, tuple[int, ...], bytes, str], Any] = {}

    @functools.wraps(compute)
    def seen(pixels: Any, extractor: Any, **options: Any) -> Any:
        key = (extractor.network, pixels.shape, pixels.tobytes(), repr(options))
        if key not in known:
            known[key] = compute(pixels, extractor, **options)
        return known[key].copy()

    return seen


@pytest.fixture
def seen_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features are computed whenever they are asked for."""
    from bus.gan.scores import features, score

    anew = features.features.__wrapped__  # type: ignore[attr-defined]
    for module in (features, score):
        monkeypatch.setattr(module, "features", anew)


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of 60 phantoms at 32 px in three folds; read only, copy it to change it."""
    from bus.data.study import open_or_create

    path = tmp_path_factory.mktemp("tiny") / "study"
    open_or_create(path, {"size": 32, "k": 3}, phantoms=60)
    return path


@pytest.fixture
def run_bus(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command in this process; returns its exit code and all that it printed, on one line."""
    from bus.cli.app import main

    def run(*arguments: object) -> tuple[int, str]:
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out = capsys.readouterr()
        return code, " ".join((out.out + out.err).split())

    return run


@pytest.fixture(scope="session")
def tiny_trainings() -> Callable[[pytest.MonkeyPatch], None]:
    """A function that lets cells of preset demo train for 4 steps, in this process."""
    from bus.benchmark.cells import STEPS

    def hurry(patch: pytest.MonkeyPatch) -> None:
        patch.setitem(STEPS, "demo", (4, 2))
        serial(patch)

    return hurry


def serial(patch: pytest.MonkeyPatch) -> None:
    """Cells one after the other in this process: starting others takes seconds."""
    from bus.benchmark import run

    def attempt(cells: Any, works: Any, *rest: Any) -> tuple[Any, Any]:
        return [cell for cell, work in zip(cells, works, strict=True) if not work()], []

    patch.setattr(run, "_attempt", attempt)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells are trained in this process."""
    serial(monkeypatch)


class Hearing(Listener):
    """Keeps all that the work tells."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str, *, warning: bool = False) -> None:
        self.said.append(text)

    def result(self, text: str, *, failed: bool = False) -> None:
        self.said.append(text)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The notes and results that the library tells during a test."""
    hearing = Hearing()
    with listening(hearing):
        yield hearing.said


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of preset demo train for 4 steps, as those of `finished_study` did."""
    from bus.benchmark.cells import STEPS

    monkeypatch.setitem(STEPS, "demo", (4, 2))


@pytest.fixture(scope="session")
def finished_study(
    tiny_study: Path,
    tiny_trainings: Callable[[pytest.MonkeyPatch], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A tiny study after the three commands, with weights kept; read only, copy it to change it."""
    from bus.cli.app import main

    path = tmp_path_factory.mktemp("finished") / "study"
    shutil.copytree(tiny_study, path)
    with pytest.MonkeyPatch.context() as patch:
        tiny_trainings(patch)
        for command in FINISH:
            with pytest.raises(SystemExit) as stop:
                main([*command.split(), "--study", str(path)])
            assert stop.value.code == 0
    return path


FINISH = (
    "gan train --preset demo --pairs 40 --method published --set channels=4 --set blocks=1",
    "synth --n 30 --extractor efficientnet-lite0",
    "benchmark --preset demo --models simplecnn --arms original,cyclegan --jobs 1 --keep-weights "
    "--extractor efficientnet-lite0",
)


class Card:
    """A stand-in for torch.cuda where there is no card: it records and replays as a CUDA graph does.

    A recording takes back what it did, a replay does it again. `state` gives a copy of all that the work
    changes, `restore` brings that back.
    """

    def __init__(
        self, run: "Recorded[Any]", state: Callable[[], Any], restore: Callable[[Any], object]
    ) -> None:
        import torch  # late: few tests need it

        self.run, self.state, self.restore = run, state, restore
        self.replays = self.recordings = 0
        stream = SimpleNamespace(wait_stream=lambda other: None)
        self.Stream = self.current_stream = lambda: stream
        self.stream = lambda _: nullcontext()
        self._real = torch.cuda

    def __getattr__(self, name: str) -> object:
        """What it does not stand in for."""
        return getattr(self._real, name)

    def CUDAGraph(self) -> SimpleNamespace:
        return SimpleNamespace(replay=self._replay)

    @contextmanager
    def graph(self, _: object) -> Iterator[None]:
        before = copy.deepcopy(self.state())
        yield
        self.restore(before)
        self.recordings += 1

    def _replay(self) -> None:
        self.replays += 1
        self.run._left = self.run.work(self.run._given)


@pytest.fixture
def card_for(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Card]:
    """Puts a `Card` under recorded work, and returns it."""
    from bus.core import recorded

    def put(run: "Recorded[Any]", state: Callable[[], Any], restore: Callable[[Any], object]) -> Card:
        card = Card(run, state, restore)
        monkeypatch.setattr(recorded.torch, "cuda", card)
        return card

    return put
