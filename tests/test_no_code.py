"""No code from data: a live pickle in every file that is read runs nothing and gets a sentence."""

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from bus.core import files

GAN, MADE, CELL = (
    "fold-0/gan/malignant/seed-0",
    "fold-0/synth/seed-0/malignant",
    "fold-0/cells/original/simplecnn/seed-0-*",
)
TRAIN, SYNTH, STATUS = (
    ("gan", "train"),
    ("synth", "--n", "31", "--extractor", "efficientnet-lite0"),
    ("status",),
)
BENCHMARK = ("benchmark", "--preset", "demo", "--models", "simplecnn", "--arms", "original", "--jobs", "1")
PLACES = [  # file, command that reads it, exit codes that are right
    ("study.json", STATUS, {1}),
    ("cohort.csv", STATUS, {1}),
    ("pixels.npy", TRAIN, {1}),
    (f"{GAN}/config.json", TRAIN, {1}),
    (f"{GAN}/config.json", STATUS, {1}),
    (f"{GAN}/DONE", TRAIN, {1}),
    (f"{GAN}/checkpoint.pt", TRAIN, {1}),
    (f"{GAN}/generator.safetensors", SYNTH, {1}),
    (f"{GAN}/metrics.jsonl", STATUS, {1}),
    (f"{GAN}/metrics.jsonl", BENCHMARK, {0, 1}),
    (f"{GAN}/samples/pairs-000040.png", BENCHMARK, {0}),
    (f"{MADE}/manifest.csv", SYNTH, {1}),
    (f"{MADE}/scores.json", SYNTH, {1}),
    (f"{MADE}/synthetic-0001.png", (*BENCHMARK, "--arms", "cyclegan"), {1}),
    (f"{CELL}/DONE", BENCHMARK, {1}),
    (f"{CELL}/predictions.csv", BENCHMARK, {0}),
    (f"{CELL}/metrics.json", BENCHMARK, {1}),
    (f"{CELL}/config.json", BENCHMARK, {0}),
    ("report/1/DONE", BENCHMARK, {1}),
]


class Payload:
    """Unpickling it touches a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


def hostile(kind: str, marker: Path) -> bytes:
    """A file whose unpickling would create `marker`."""
    buffer = io.BytesIO()
    if kind == "pickle":
        pickle.dump(Payload(marker), buffer)
    elif kind == "torch":
        torch.save({"model": Payload(marker), "log": "{}"}, buffer)
    elif kind == "old torch":
        torch.save({"model": Payload(marker)}, buffer, _use_new_zipfile_serialization=False)
    elif kind == "npy":
        np.save(buffer, np.array([Payload(marker)], dtype=object), allow_pickle=True)
    else:
        np.savez(buffer, a=np.array([Payload(marker)], dtype=object))
    return buffer.getvalue()


KINDS = ("pickle", "torch", "old torch", "npy", "npz")


@pytest.mark.parametrize("kind", KINDS)
def test_the_pickles_are_live(tmp_path: Path, kind: str) -> None:
    marker, content = tmp_path / "ran", hostile(kind, tmp_path / "ran")
    if kind == "pickle":
        pickle.loads(content)
    elif "torch" in kind:
        torch.load(io.BytesIO(content), weights_only=False)
    else:
        found = np.load(io.BytesIO(content), allow_pickle=True)
        assert kind == "npy" or len(found["a"])
    assert marker.exists()


@pytest.mark.long
@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_a_study_runs(
    finished_study: Path, tmp_path: Path, run_bus: Callable[..., tuple[int, str]], kind: str
) -> None:
    marker = tmp_path / "ran"
    places = (
        PLACES if kind == "pickle" else PLACES[KINDS.index(kind) :: 5]
    )  # every place with one, a fifth with each other
    places += [
        place
        for place in PLACES
        if place[0].endswith((".pt", ".npy", ".safetensors")) and place not in places
    ]
    for number, (name, command, codes) in enumerate(places):
        study = tmp_path / str(number) / "study"
        shutil.copytree(finished_study, study)
        path = next(study.glob(name))
        path.write_bytes(hostile(kind, marker))
        if name.endswith("checkpoint.pt"):
            (path.parent / "DONE").unlink()
        if name.endswith(".safetensors"):  # as a clever attacker leaves it
            done = json.loads((path.parent / "DONE").read_bytes())
            files.write_json(path.parent / "DONE", {**done, "generator": files.sha256_file(path)})
        code, text = run_bus(*command, "--study", study)
        assert not marker.exists(), (name, command)
        assert code in codes, (name, command, text)
        assert "Traceback" not in text
        assert code == 0 or path.name in text, (name, text)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_the_data_or_an_option_runs(
    finished_study: Path, tmp_path: Path, run_bus: Callable[..., tuple[int, str]], kind: str
) -> None:
    marker, content = tmp_path / "ran", hostile(kind, tmp_path / "ran")
    data, weights, packed = tmp_path / "data", tmp_path / "weights.pth", tmp_path / "set.zip"
    for label in "ab":
        for name in ("1.png", "1_mask.png", "2.dcm", "3.tif", "4.jpg"):
            (data / label).mkdir(parents=True, exist_ok=True)
            (data / label / name).write_bytes(content)
    weights.write_bytes(content)
    packed.write_bytes(content)
    (data / "a" / "2.dcm").write_bytes(bytes(128) + b"DICM" + content)
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "labels.csv").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        for label in "ab":
            archive.writestr(f"{label}/1.png", content)
    new, page = tmp_path / "new", ("--page", tmp_path / "page.html")
    commands: list[tuple[object, ...]] = [
        *(
            ("data", "check", source, *page)
            for source in (data, packed, tmp_path / "scans.zip", tmp_path / "table")
        ),
        *(
            ("gan", "train", "--study", new, "--data", source)
            for source in (data, packed, tmp_path / "scans.zip", tmp_path / "table")
        ),
        ("synth", "--n", 30, "--study", finished_study, "--fid-weights", weights, "--extractor", "inception"),
        (*BENCHMARK[:-2], "--study", finished_study, "--init", weights, "--dry-run"),
        ("gan", "score", data / "a", data / "b"),
    ]
    for command in commands:
        code, text = run_bus(*command)
        assert not marker.exists(), command
        assert code in (0, 1, 2), (command, text)
        assert "Traceback" not in text
        assert code != 0 or "--dry-run" in command, (command, text)
    assert not new.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_first_weights_are_safetensors_or_nothing(tmp_path: Path, kind: str) -> None:
    from bus.classify.models import build
    from bus.core.errors import BusError

    path = tmp_path / "weights.safetensors"
    path.write_bytes(hostile(kind, tmp_path / "ran"))
    with pytest.raises(BusError, match=r"weights\.safetensors does not hold weights of simplecnn"):
        build("simplecnn", 3, str(path), 0)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_inception_weights_are_read_without_running_them(tmp_path: Path, kind: str) -> None:
    from bus.core.errors import BusError
    from bus.gan.scores.features import inception_from

    path = tmp_path / "weights.pth"
    path.write_bytes(hostile(kind, tmp_path / "ran"))
    with pytest.raises(BusError, match=r"weights\.pth holds no weights"):
        inception_from(path)
    assert not (tmp_path / "ran").exists()
