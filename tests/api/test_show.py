"""What objects show in a notebook."""

import numpy as np
from bus.api import show


def test_hostile_names_stay_text() -> None:
    shown = show.card("<script>", {"<b>": "<img src=x>"}, notes=["<i>"])
    assert (
        "<script>" not in shown and "<img" not in shown and "<b>" not in shown and "&lt;script&gt;" in shown
    )


def test_a_sheet_holds_the_first_scans_and_none_of_none() -> None:
    assert show.sheet(np.zeros((0, 8, 8), np.uint8), "none") == ""
    assert 'alt="&quot;scans&quot;"' in show.sheet(np.zeros((40, 8, 8), np.uint8), '"scans"')
