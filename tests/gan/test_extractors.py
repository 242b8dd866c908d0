"""The judges by name."""

import subprocess
import sys

import pytest
from bus.core.errors import UsageError
from bus.gan.extractors import EXTRACTORS, check_extractor


def test_known_judges_pass_and_slips_are_met_with_what_was_meant() -> None:
    for name in EXTRACTORS:
        check_extractor(name)
    with pytest.raises(UsageError, match=r"--extractor inceptoin is unknown.*Did you mean inception\?"):
        check_extractor("inceptoin")


def test_names_are_known_without_torch() -> None:
    code = "import sys, bus.gan.extractors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
