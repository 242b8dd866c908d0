"""Answers of a trained classifier, and files that hold none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from bus.classify import models, train
from bus.classify.predict import answer, load
from bus.core.compute import Compute
from bus.core.errors import BusError
from bus.core.files import sha256_file
from safetensors.torch import save_file

CPU = Compute("cpu", "float32", 1)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Weights of an untrained network of three classes."""
    network = models.build("simplecnn", 3, "none", 0)
    save_file(
        {name: value.contiguous() for name, value in network.state_dict().items()}, tmp_path / "weights"
    )
    return tmp_path / "weights"


def test_a_kept_classifier_answers_as_the_benchmark_does(kept: Path) -> None:
    squares = np.random.default_rng(0).integers(0, 256, (3, 32, 32)).astype(np.uint8)
    network = load(kept, "simplecnn", 3, sha256_file(kept), "cpu")
    expected = train.predict(network, squares, CPU)
    found = list(answer(network, list(squares), CPU, heat=True))
    assert np.array_equal([one.probabilities for one in found], expected)
    assert [one.number for one in found] == expected.argmax(1).tolist()
    assert all(one.heat is not None and one.heat.dtype == np.uint8 for one in found)
    assert [one.heat for one in answer(network, list(squares), CPU, heat=False)] == [None] * 3


def test_weights_that_are_none_are_refused(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(BusError, match="its hash differs"):
        load(kept, "simplecnn", 3, "0" * 64, "cpu")
    with pytest.raises(BusError, match="weights of simplecnn for 2 classes"):
        load(kept, "simplecnn", 2, None, "cpu")
    with pytest.raises(BusError, match="could not be read"):
        load(tmp_path / "nothing", "simplecnn", 3, None, "cpu")
    state = models.build("simplecnn", 3, "none", 0).state_dict()
    nan = {
        name: torch.full_like(value, torch.nan) for name, value in state.items() if value.is_floating_point()
    }
    save_file(state | nan, kept)
    with pytest.raises(BusError, match="weights that are no numbers"):
        load(kept, "simplecnn", 3, None, "cpu")
