"""What the documents tell a reader to type exists, runs, and leads where it says."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bus.benchmark import plan
from bus.cli.app import app
from typer.main import get_command

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SMALL = [  # what makes the tutorial's phantoms small
    ("--n 240 --size 64", "--n 120 --size 32"),
    ("--data phantoms --preset demo", "--data phantoms --preset demo --size 32 --pairs 8"),
    ("--n 60", "--n 12"),
    ("--models simplecnn,resnet18", "--models simplecnn --arms original,weighted"),
]


def blocks(page: Path, language: str) -> Iterator[str]:
    return (text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language)


def named_commands(page: Path) -> Iterator[str]:
    """Every command line of a page: in blocks, and in the running text between backticks."""
    text = page.read_text(encoding="utf-8")
    for block in (*blocks(page, "bash"), *blocks(page, "")):
        yield from (line.strip() for line in block.splitlines() if re.match(r"\s*bus\s", line))
    yield from re.findall(r"`(bus [^`\n]+)`", BLOCK.sub("", text))


def resolve(words: list[str]) -> tuple[Any, set[str], list[str]]:
    """The command that `words` name, the options it knows, and the words after its name."""
    command, options = get_command(app), set()
    while True:
        options = {
            name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
        }
        known = getattr(command, "commands", {})
        while words and words[0] in options and known:  # --quiet and --version stand before the command
            words = words[1:]
        if not known or not words or words[0] not in known:
            return command, options | {"--help"}, words
        command, words = known[words[0]], words[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    for line in named_commands(page):
        words = shlex.split(line, comments=True)[1:]
        command, options, rest = resolve(words)
        wrong = [word for word in rest if word.startswith("-") and word.partition("=")[0] not in options]
        assert not wrong, f"{page.name}: {line}: {wrong}"
        stray = [word for word in rest if not word.startswith("-")] if hasattr(command, "commands") else []
        assert not stray, f"{page.name}: {line}: there is no command {stray}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_in_the_text_exists(page: Path) -> None:
    if page.name == "CONTRIBUTING.md":
        return  # it names options of other tools
    known, queue = {"--help"}, [get_command(app)]
    while queue:
        command = queue.pop()
        queue += getattr(command, "commands", {}).values()
        known |= {name for parameter in command.params for name in parameter.opts}
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert set(re.findall(r"`(--[a-z][a-z-]*)", text)) <= known


def test_the_checker_itself_finds_what_is_wrong() -> None:
    assert resolve(["--quiet", "gan", "train", "--fold", "0"])[0].name == "train"
    _, options, rest = resolve(["benchmark", "--folds", "all"])
    assert "--fold" in options and "--folds" not in options and rest == ["--folds", "all"]
    assert hasattr(resolve(["gan", "fly"])[0], "commands")
    assert sum(1 for page in PAGES for _ in named_commands(page)) > 40


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text(encoding="utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        assert file.exists() and file.is_relative_to(ROOT), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", file.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in map(slug, headings), f"{page.name} links to {target}"


def follow(folder: Path, changes: list[tuple[str, str]], upto: int | None = None) -> str:
    """Run the marked blocks of the tutorial, or the first `upto`, as one script; what it printed."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    marked = re.findall(r"<!-- run -->\n```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    script = "\n".join(marked)
    for old, new in changes:
        assert old in script, f"the tutorial no longer says {old}"
        marked = [block.replace(old, new) for block in marked]
    script = "\n".join(marked[:upto])
    environment = {
        **os.environ,
        "BROWSER": "true",
        "COLUMNS": "100",
        "PYTHON": sys.executable,
    }  # true: opens nothing
    done = subprocess.run(
        ["bash", "-euc", f'bus() {{ "$PYTHON" -m bus "$@"; }}\n{script}'],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.long
def test_the_tutorial_begins(tmp_path: Path) -> None:
    said = follow(tmp_path, SMALL, upto=3)
    for words in ("Processor", "120 phantoms in phantoms", "Page: data-check.html", "Trained: my-study"):
        assert words in said


@pytest.mark.slow
def test_the_tutorial_on_phantoms_runs(tmp_path: Path) -> None:
    said = follow(tmp_path, SMALL)
    for words in (
        "Processor",
        "120 phantoms in phantoms",
        "Trained: my-study",
        "12 synthetic scans of",
        "to train",
    ):
        assert words in said
    for made in (
        "data-check.html",
        "my-study/fold-0/gan/malignant/seed-0/generator.safetensors",
        "my-study/report/1/metrics.csv",
        "my-study/report/1/contrasts.csv",
        "my-study/fold-0/synth/seed-0/malignant/DATASHEET.md",
    ):
        assert (tmp_path / made).exists(), made


@pytest.mark.slow
def test_the_tutorial_on_phantoms_runs_as_it_is_written(tmp_path: Path) -> None:
    said = follow(tmp_path, [])
    assert list(tmp_path.glob("my-study/fold-0/gan/malignant/seed-0/samples/*.png"))
    assert (
        "60 synthetic scans of 60 distinct sources" in said and "SimpleCNN: " in said and "ResNet18: " in said
    )


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells of code as they are, one after the other; under two minutes on one core."""
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    notebook = json.loads((ROOT / "docs" / "example.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        exec(cell, names)
    plt.close("all")
    assert len(cells) > 5 and names["result"].report.exists()
    assert all(cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"), "not executed"


@pytest.mark.long
def test_the_python_page_runs(tmp_path: Path, few_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block, one after the other, with a translator of a few pairs."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(ROOT / "docs" / "python.md", "python"):
        exec(block.replace('preset="demo")', 'preset="demo", pairs=8)'), names)
    assert len(names["balanced"]) > len(names["train"].pixels) - names["train"].real
    assert names["images"].shape[1:] == (1, 32, 32) and names["result"].report.exists()


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "```toml" in page.read_text(encoding="utf-8")],
    ids=lambda page: page.name,
)
def test_every_plan_shown_is_one(page: Path, tmp_path: Path) -> None:
    for number, text in enumerate(blocks(page, "toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(text, encoding="utf-8")
        assert len(plan.read(str(path)).runs) > 1
