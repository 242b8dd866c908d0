"""Options that commands share."""

import pytest
from bus.cli import options
from bus.cli.app import app
from bus.core.errors import UsageError
from bus.data.study import Study
from typer.core import TyperGroup
from typer.main import get_command


def test_unknown_names_are_refused_with_the_known_ones(tiny_study):
    study = Study.open(tiny_study)
    with pytest.raises(UsageError, match="vgg is unknown; choose among simplecnn"):
        options.names("vgg,resnet18", ("simplecnn", "vgg19", "resnet18"), "--models")
    with pytest.raises(UsageError, match="0, 1, 2"):
        options.fold_numbers("7", study)
    assert options.fold_numbers("all", study) == [0, 1, 2]
    assert options.fold_numbers("2,0", study) == [0, 2]


def test_a_command_typed_again_keeps_every_option_also_those_of_value_0():
    """Without --inner 0 the command after a dry run would open the fold that is locked away."""
    whole = get_command(app)
    assert isinstance(whole, TyperGroup)
    typed = ["--data", "my scans", "--inner", "0", "--seed", "0", "--dry-run", "--inflation"]
    ctx = whole.commands["benchmark"].make_context("benchmark", typed)
    assert set(options.again(ctx)) == {"--data 'my scans'", "--inner 0", "--seed 0", "--inflation"}


@pytest.mark.parametrize("command", ["benchmark", "gan train", "synth", "export", "translate"])
def test_a_translators_seed_is_no_negative_number(run_bus, command):
    given = {"translate": ["scan.png", "--to", "out"]}.get(command, [])
    code, text = run_bus(*command.split(), *given, "--gan-seed", "-1")
    assert code == 2 and "--gan-seed" in text
