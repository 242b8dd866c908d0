"""The names of torchvision's networks, read without importing it."""

import subprocess
import sys

import pytest
from bus.classify.torchvision_names import check_model, torchvision_names
from bus.core.errors import UsageError
from torchvision import models


def test_they_are_those_that_torchvision_registers() -> None:
    assert list(torchvision_names()) == models.list_models(module=models)


def test_a_slip_is_answered_without_torch_by_the_name_that_was_meant() -> None:
    check_model("resnet34")
    check_model("simplecnn")
    with pytest.raises(UsageError, match=r"resnt34 is unknown.*Did you mean resnet34"):
        check_model("resnt34")
    with pytest.raises(UsageError, match="--models help"):
        check_model("")
    code = (
        "import sys; from bus.classify.torchvision_names import check_model; check_model('vit_b_16'); "
        "assert not {'torch', 'torchvision'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
