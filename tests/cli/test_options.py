"""Options that commands share."""

import pytest
from bus.cli import options
from bus.core.errors import UsageError
from bus.data.study import Study


def test_unknown_names_are_refused_with_the_known_ones(tiny_study):
    study = Study.open(tiny_study)
    with pytest.raises(UsageError, match="vgg is unknown; choose among simplecnn"):
        options.names("vgg,resnet18", ("simplecnn", "vgg19", "resnet18"), "--models")
    with pytest.raises(UsageError, match="0, 1, 2"):
        options.fold_numbers("7", study)
    assert options.fold_numbers("all", study) == [0, 1, 2]
    assert options.fold_numbers("2,0", study) == [0, 2]
