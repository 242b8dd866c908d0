"""The differences on the page are the summary's, each once, and a collapsed model carries its dagger."""

from dataclasses import replace
from typing import Any

import pytest
from bus.benchmark.arms import Arm
from bus.benchmark.report import effects
from bus.benchmark.report.model import Cards, Figure, Table, walk
from bus.benchmark.report.terms import collapse_flags, title
from bus.benchmark.results.model import GAIN, MEAN, PRIMARY, TRANSLATOR


@pytest.fixture(scope="module")
def made(answers_alone: Any) -> Any:
    return answers_alone


def test_every_contrast_stands_in_one_of_the_two_tables(made: Any) -> None:
    leading, others = effects.split_contrasts(made.summary)
    assert len(leading) + len(others) == len(made.summary.contrasts)
    assert all(contrast in leading or contrast in others for contrast in made.summary.contrasts)
    assert {contrast.metric for contrast in leading} == {PRIMARY}
    assert {GAIN, TRANSLATOR} <= {contrast.kind for contrast in leading}
    section = effects.effects_section(made.summary, {})
    shown = [block for block in walk(section.blocks) if isinstance(block, Table)]
    assert [len(block.groups[0].rows) for block in shown] == [len(leading), len(others)]


def test_only_what_rests_on_a_collapsed_model_has_a_dagger(made: Any) -> None:
    flags = collapse_flags(made.summary)
    for contrast in made.summary.contrasts:
        rests = contrast.model in ("vgg19", MEAN) and Arm("original") in (contrast.first, contrast.second)
        assert effects.effect(contrast, flags).label.endswith("†") == rests
        assert not effects.effect(contrast, {}).label.endswith("†")


def test_an_effect_is_in_points_and_a_plot_says_it_in_words(made: Any) -> None:
    contrast = made.summary.contrast(GAIN, "resnet18")
    drawn = effects.effect(contrast, {})
    deciding = contrast.retrained or contrast.interval
    assert drawn.estimate == pytest.approx(100 * deciding.estimate)
    assert drawn.scans == pytest.approx((100 * contrast.interval.low, 100 * contrast.interval.high))
    plots = effects.forest_plots(made.summary, {})
    assert [plot.name for plot in plots] == ["forest-gain", "forest-translator"]
    assert all("ResNet18" in plot.alt and "VGG19" in plot.alt for plot in plots)


def test_no_size_is_called_detectable_where_none_could_be_shown(made: Any) -> None:
    """A gain takes an interval for other trainings; from too few of them there is none."""
    blind = [replace(contrast, retrained=None) for contrast in made.summary.contrasts]
    section = effects.effects_section(replace(made.summary, contrasts=blind), {})
    (leading, _) = [block for block in walk(section.blocks) if isinstance(block, Table)]
    at = [column.name for column in leading.columns].index("smallest detectable")
    assert {str(row.cells[at].text) for row in leading.groups[0].rows} == {"–"}
    assert effects.effect(blind[0], {}).detectable is None


def test_without_contrasts_nothing_is_drawn_and_the_missing_arms_are_named(made: Any) -> None:
    section = effects.effects_section(replace(made.summary, contrasts=[]), {})
    blocks = list(walk(section.blocks))
    assert not [block for block in blocks if isinstance(block, Figure | Table)]
    assert "original, oversampled and cyclegan" in str(blocks[-1])


def test_a_card_a_model_and_care_where_an_arm_collapsed(made: Any) -> None:
    section = effects.verdict_section(made.study, made.summary, collapse_flags(made.summary), ["quick"])
    (cards,) = [block for block in section.blocks if isinstance(block, Cards)]
    moods = {card.name: card.mood for card in cards.cards}
    assert list(moods) == ["Mean of the networks", *map(title, made.summary.models)]
    assert [name for name, mood in moods.items() if mood == "care"] == ["Mean of the networks", "VGG19"]
