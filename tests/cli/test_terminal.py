"""Progress is a bar with time left on a terminal, a few lines in a log, and nothing when quiet."""

import io
from collections.abc import Iterator

import pytest
from bus.cli import terminal as module
from bus.cli.terminal import Screen, console, progress, results, speak
from rich.console import Console


@pytest.fixture(autouse=True)
def loud_again() -> Iterator[None]:
    yield
    speak()


def shown(monkeypatch: pytest.MonkeyPatch, term: str | None) -> str:
    """What a progress of three steps writes; `term` is the terminal's kind, None a pipe."""
    out = io.StringIO()
    kind = {} if term is None else {"TERM": term}
    screen = Console(
        file=out, force_terminal=term is not None, _environ=kind, width=100, markup=False, soft_wrap=True
    )
    monkeypatch.setattr(module, "console", screen)
    with progress("Cells [a]", 3) as advance:
        for number in range(3):
            advance(1, f"cell {number}")
    return out.getvalue()


def test_a_terminal_gets_a_bar_with_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, "xterm-256color")
    assert "\x1b[" in text and "Cells [a] 3 of 3" in text and text.endswith("cell 2\x1b[0m\n\x1b[?25h")


@pytest.mark.parametrize("term", [None, "dumb"])
def test_logs_and_dumb_terminals_get_plain_lines(monkeypatch: pytest.MonkeyPatch, term: str | None) -> None:
    lines = shown(monkeypatch, term).splitlines()
    assert lines[0] == "Cells [a] …" and lines[-1] == "  3 of 3, 0:00. cell 2"
    assert not any("\x1b" in line for line in lines) and len(lines) == 2


@pytest.mark.parametrize("width", [20, 40, 60, 80, 110, 200])
def test_the_line_fits_and_what_matters_least_goes_first(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """At 80 columns what runs, done of all, elapsed and left are whole; then come the bar and the note."""
    monkeypatch.setattr(module, "console", Console(width=width))
    head, times, note = "CycleGAN to malignant, fold 0, step 345 of 1,500", "1:23, 4:56 left", "cycle 0.123"
    line = module.Line.fitted(head, times, 0.5, note).plain
    assert (len(line) < width and line.endswith((times, note))) or width == 20
    assert (head in line) == (width >= 80) and ("━" in line) == (width >= 80)
    assert (note in line) == (width >= 110)


def test_a_share_tells_the_time_left_before_the_first_part_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    screen = Console(file=out, force_terminal=True, width=80, _environ={"TERM": "xterm"}, markup=False)
    monkeypatch.setattr(module, "console", screen)
    with progress("Trainings", 8) as advance:
        advance(0, "fold 0 · cyclegan · vgg19 · seed 0", share=0.25)
    assert "Trainings 0 of 8" in out.getvalue() and "0:00 left" in out.getvalue()
    assert module.clock(3723.4) == "1:02:03" and module.clock(7) == "0:07"


def test_quiet_leaves_results_and_machine_leaves_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    speak(quiet=True)
    console.print("told")
    with progress("Work", 2) as advance:
        advance(2)
    results.print("asked for")
    assert capsys.readouterr() == ("asked for\n", "")
    speak(machine=True)
    console.print("told")
    results.print("asked for")
    assert capsys.readouterr() == ("", "told\nasked for\n")


def test_findings_keep_their_column_on_a_narrow_terminal_and_their_line_in_a_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = f"Advice      {'word ' * 30}/a/path/without/any/space".rstrip()
    for terminal in (True, False):
        out = io.StringIO()
        monkeypatch.setattr(
            module,
            "results",
            Console(file=out, force_terminal=terminal, width=60, soft_wrap=True, highlight=False),
        )
        module.findings([line, f"{'':12}class       scans"])
        said = out.getvalue().splitlines()
        assert said[-1] == f"{'':12}class       scans"
        assert (len(said) > 2) == terminal
        assert all(len(one) <= 60 for one in said) or not terminal
        assert " ".join(" ".join(said[:-1]).split()) == " ".join(line.split())
        assert said[0].startswith("Advice      word") and all(one.startswith(" " * 12) for one in said[1:])


def test_sentences_break_between_words_and_commands_nowhere() -> None:
    stream = io.StringIO()
    screen = Screen(force_terminal=True, width=40, file=stream, color_system=None)
    screen.print("A sentence of several words that is longer than a narrow terminal is wide.")
    screen.print("Next: bus report --study a-folder-with-a-long-name --open")
    *lines, following = stream.getvalue().splitlines()
    assert " ".join(line.strip() for line in lines).endswith("narrow terminal is wide.")
    assert len(lines) == 2 and following.startswith("Next: bus report") and following.endswith("--open")


def test_an_error_breaks_between_words_on_a_terminal_and_is_one_line_in_a_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text, shown = "bus: " + "some words " * 30, []
    for terminal in (True, False):
        out = io.StringIO()
        screen = Screen(file=out, force_terminal=terminal, width=80, _environ={"TERM": "xterm"})
        monkeypatch.setattr(module, "errors", screen)
        module.say(text)
        shown.append(out.getvalue().splitlines())
    assert max(map(len, shown[0])) <= 80 and all(
        line.strip().endswith(("some", "words")) for line in shown[0]
    )
    assert shown[1] == [text]
