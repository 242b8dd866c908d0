"""How to repeat a study: costs add up, settings that differ are listed, the folder's files are explained."""

from dataclasses import replace
from typing import Any

import pytest
from bus import __version__
from bus.benchmark.report import repeat
from bus.benchmark.report.model import Bullets, Listing, Paragraph, Table, walk


@pytest.fixture(scope="module")
def made(answers_alone: Any) -> Any:
    return answers_alone


def test_the_cost_is_the_sum_of_all_trainings(made: Any) -> None:
    shown = repeat.cost_section(made.summary, []).blocks[0]
    assert isinstance(shown, Table)
    rows = [[cell.text for cell in line.cells] for line in shown.groups[0].rows]
    seconds = [cell.seconds for cell in made.summary.cells]
    assert rows[-1] == ["all", str(len(seconds)), f"{sum(seconds) / 60:.1f}"]
    assert sum(int(row[1]) for row in rows[:-1]) == len(seconds)
    untimed = [replace(cell, seconds=None) for cell in made.summary.cells]
    (absent,) = repeat.cost_section(replace(made.summary, cells=untimed), []).blocks
    assert isinstance(absent, Paragraph) and absent.text == "No times were recorded."


def test_settings_that_differ_between_cells_are_listed_and_others_given_once(made: Any) -> None:
    settings = dict(repeat.configuration([cell for cell in made.cells if cell.model == "resnet18"]))
    assert settings["fold"] == "0 | 1" and settings["model"] == "resnet18"
    many = [replace(made.cells[0], seed=seed) for seed in range(9)]
    assert dict(repeat.configuration(many))["seed"].endswith("| 5 | … (9 values)")


def test_commands_history_and_versions_are_told(made: Any) -> None:
    history = [
        repeat.Past("bus benchmark", 3, {"VGG19": "no gain."}, partial=True),
        repeat.Past("bus benchmark --seeds 3", 9, {"VGG19": "gain."}),
    ]
    section = repeat.repeat_section(made.study, made.cells, [], ["bus demo"], history)
    blocks = list(walk(section.blocks))
    (listing,) = [block for block in blocks if isinstance(block, Listing)]
    (told,) = [block for block in blocks if isinstance(block, Bullets)]
    assert listing.lines == ["bus demo"] and len(told.items) == 2
    assert "while others were missing" in str(told.items[0]) and "missing" not in str(told.items[1])
    assert ("bus", __version__) in repeat.versions()
    unknown = repeat.repeat_section(made.study, made.cells, [], None, [])
    assert "The commands were not recorded." in str(unknown.blocks[0])
