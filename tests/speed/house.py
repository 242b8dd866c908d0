"""Measure how the house is kept: who imports whom, who knows which format, how long and typed the code is.

python tests/speed/house.py [FOLDER of a checkout …]: a column each, as a table in Markdown.
"""

import ast
import io
import re
import statistics
import sys
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASIDE = {"tests", "docs", "build", "dist", "node_modules"}  # folders beside the package's own
LIMIT = 110  # columns
FLOORS = {  # a module may import what stands at its own floor or lower; a name without a folder is a file
    **dict.fromkeys(("core", "errors", "files", "compute", "console", "options"), 0),
    "data": 1,
    "classify": 2,
    "gan": 3,
    "benchmark": 4,
    "api": 5,
    "__init__": 8,
    **dict.fromkeys(("cli", "doctor", "__main__"), 7),
}
# of benchmark: call all the rest of it, results and report too
TOP = ("pipeline", "run_plan", "commands", "tasks", "slurm", "workflow")
FORMATS: dict[str, tuple[str, ...]] = {  # the words by which one sees that a file knows a format
    "cohort.csv": ("cohort.csv", "left_out", "inner_height"),
    "manifest.csv": ("manifest.csv", "source_sha256", "source_group", "generator_sha256"),
    "scores.json": ("scores.json", "normalised", "ceiling", "frechet"),
    "config.json": ("config.json",),
    "generator.safetensors": ("generator.safetensors",),
    "predictions.csv": ("predictions.csv", "p_"),
    "metrics.json": ("metrics.json",),
    "heat.npy": ("heat.npy",),
    "results.csv": ("results.csv",),
    "summary.json": ("summary.json",),
    "metrics.jsonl": ("metrics.jsonl", "auc_handmade"),
    "DONE": ("DONE",),
}
PATHS = {"gan_path", "synth_path", "cells_path"}  # methods of Study, asked for a folder
UNTYPED = re.compile(r"\b(dict|Mapping)\b(\[\w+, (Any|object)\])?(?!\[)")  # a dictionary of anything
WORDS = ("one", "found", "place", "more", "here")


@dataclass(frozen=True)
class Import:
    """`source` imports `target`; both without the package's name, such as `data.study`."""

    source: str
    target: str
    line: int
    late: bool  # inside a function, or for type checkers alone

    def __str__(self) -> str:
        return f"{self.source}, line {self.line}: {self.target}"


@dataclass(frozen=True)
class Module:
    """A file of the package, read as text: nothing of it is imported or run."""

    name: str  # data.study; of a package itself data
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        """The folder at the top, or the file that lies there."""
        return self.name.split(".", 1)[0]

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """All functions and methods."""
        return [
            node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    @property
    def literals(self) -> Iterator[str]:
        """Its strings and the constant parts of its f-strings; docstrings are none."""
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(self.tree)
            if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield node.value


def modules(root: Path = ROOT) -> dict[str, Module]:
    """Every module of the package below `root`, by name; its own __init__ and __main__ under these names."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if any(part in ASIDE or part.startswith(".") for part in parts[:-1]):
            continue
        if len(parts) == 1 and parts[0] not in FLOORS and parts[0] not in ("__init__", "__main__"):
            continue
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = Module(name, path, path.read_text(encoding="utf-8"))
    return found


def imports(module: Module, known: dict[str, Module]) -> Iterator[Import]:
    """What a module imports of the package."""
    package = module.name.split(".") if module.path.stem == "__init__" else module.name.split(".")[:-1]
    if module.name == "__init__":
        package = []
    late = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ImportFrom) or (
            not node.level and (node.module or "").split(".")[0] != "bus"
        ):
            continue
        named = (node.module or "").split(".") if node.module else []
        base = package[: len(package) - node.level + 1] + named if node.level else named[1:]
        for alias in node.names:
            if alias.name == "__version__":
                continue  # a constant of the package itself
            target = ".".join([*base, alias.name])
            target = target if target in known else ".".join(base) or "__init__"
            if target in known and target != module.name:
                yield Import(module.name, target, node.lineno, id(node) in late)


def floor(name: str) -> tuple[int, int]:
    """How high a module stands: its room, and within benchmark results below report below what calls all."""
    parts = name.split(".")
    inner = 0
    if parts[0] == "benchmark" and len(parts) > 1:
        inner = {"results": 1, "report": 2, **dict.fromkeys(TOP, 3)}.get(parts[1], 0)
    return FLOORS[parts[0]], inner


def upward(known: dict[str, Module]) -> list[Import]:
    """Imports from a higher floor, late ones too."""
    return [
        step
        for module in known.values()
        for step in imports(module, known)
        if floor(step.target) > floor(step.source)
    ]


def circles(known: dict[str, Module], *, late: bool = False) -> list[set[str]]:
    """Sets of modules that import each other, or by way of others; `late`: imports inside functions count."""
    edges = {
        name: {step.target for step in imports(module, known) if late or not step.late}
        for name, module in known.items()
    }
    reach: dict[str, set[str]] = {}
    for name in known:
        seen, queue = set(), [name]
        while queue:
            queue += (new := edges[queue.pop()] - seen)
            seen |= new
        reach[name] = seen
    groups = {frozenset({name} | {other for other in reach[name] if name in reach[other]}) for name in known}
    return sorted((set(group) for group in groups if len(group) > 1), key=sorted)


def knowers(known: dict[str, Module], words: tuple[str, ...]) -> list[str]:
    """Modules in whose strings one of `words` stands as it is, or at the end of a path."""
    return [
        name
        for name, module in known.items()
        if any(text == word or text.endswith(f"/{word}") for text in module.literals for word in words)
    ]


def untyped(known: dict[str, Module]) -> list[str]:
    """Functions that return a dictionary, or several, of anything."""
    return [
        f"{module.name}.{function.name}"
        for module in known.values()
        for function in module.functions
        if function.returns is not None and UNTYPED.search(ast.unparse(function.returns))
    ]


def untyped_values(known: dict[str, Module]) -> int:
    """Parameters, fields and variables that are annotated as such."""
    annotations = (
        node.annotation
        for module in known.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None
    )
    return sum(bool(UNTYPED.search(ast.unparse(text))) for text in annotations)


def parameters(known: dict[str, Module]) -> list[tuple[int, str]]:
    """How many parameters every function has, commands apart: theirs are the options a user has."""
    counts = []
    for module in known.values():
        commands = "import typer" in module.text
        for function in module.functions:
            names = [
                item.arg
                for item in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
            ]
            if not commands:
                counts.append(
                    (
                        len([name for name in names if name not in ("self", "cls")]),
                        f"{module.name}.{function.name}",
                    )
                )
    return sorted(counts, reverse=True)


def lengths(known: dict[str, Module]) -> list[tuple[int, str]]:
    """Lines of every function's body without its docstring; the longest first."""
    counts = []
    for module in known.values():
        for function in module.functions:
            body = function.body[1:] if ast.get_docstring(function) else function.body
            lines = (function.end_lineno or 0) - body[0].lineno + 1 if body else 0
            counts.append((lines, f"{module.name}.{function.name}"))
    return sorted(counts, reverse=True)


def mentioned_once(known: dict[str, Module]) -> list[str]:
    """Private functions whose name stands once in the package beside their definition."""
    words = Counter(word for module in known.values() for word in re.findall(r"\w+", module.text))
    return [
        f"{module.name}.{function.name}"
        for module in known.values()
        for function in module.functions
        if function.name.startswith("_") and not function.name.startswith("__") and words[function.name] == 2
    ]


def long_lines(root: Path) -> list[str]:
    """Lines of Python, tests included, that are longer than the limit."""
    files = [path for path in sorted(root.rglob("*.py")) if "/." not in f"/{path.relative_to(root)}"]
    return [
        f"{path.relative_to(root)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LIMIT
    ]


def general_names(known: dict[str, Module]) -> Counter[str]:
    """How often each general word is a name in the code."""
    tokens = (
        token.string
        for module in known.values()
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline)
        if token.type == tokenize.NAME
    )
    return Counter(word for word in tokens if word in WORDS)


def asked_for_folders(known: dict[str, Module]) -> tuple[int, int]:
    """Calls of the study's paths for what others own, and the files they stand in."""
    calls = [
        module.name
        for module in known.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in PATHS
    ]
    return len(calls), len(set(calls))


def rows(root: Path) -> dict[str, str]:
    """All figures of one checkout, in the order of the table."""
    known = modules(root)
    counts = [count for count, _ in parameters(known)]
    names = [function.name for module in known.values() for function in module.functions]
    long = [count for count, _ in lengths(known)]
    calls, callers = asked_for_folders(known)
    words = general_names(known)
    folders = Counter(module.room for module in known.values())
    size = Counter()
    for module in known.values():
        size[module.room] += module.text.count("\n")
    inner = {
        f"{name}/": f"{folders[name]} files, {size[name]:,} lines"
        for name in sorted(folders, key=lambda room: FLOORS[room])
        if folders[name] > 1
    }
    sub = [
        module
        for module in known.values()
        if module.name.count(".") > 1 or module.name.startswith("benchmark.re")
    ]
    return {
        "imports that go up": str(len(upward(known))),
        "circles among modules, imports inside functions counted": str(len(circles(known, late=True))),
        **{
            f"files that know {name}": str(len(knowers(known, words_of)))
            for name, words_of in FORMATS.items()
        },
        "calls that ask a study for another's folder (files)": f"{calls} ({callers})",
        "functions that return a dictionary of anything": str(len(untyped(known))),
        "parameters, fields and variables that are one": str(untyped_values(known)),
        "parameters, 90th percentile and largest (commands apart)": ", ".join(
            f"{count:.0f}" for count in (statistics.quantiles(counts, n=10)[8], counts[0])
        ),
        "lines of a body, median, 90th percentile, largest": f"{statistics.median(long):.0f}, "
        f"{statistics.quantiles(long, n=10)[8]:.0f}, {long[0]}",
        f"lines over {LIMIT} columns (with tests)": str(len(long_lines(root))),
        "private functions mentioned once, of all private": f"{len(mentioned_once(known))} of "
        f"{sum(name.startswith('_') and not name.startswith('__') for name in names)}",
        "general words as names: " + ", ".join(WORDS): ", ".join(str(words[word]) for word in WORDS),
        **inner,
        "in folders below these": f"{len(sub)} files",
        "all": f"{len(known)} files, {sum(size.values()):,} lines",
    }


LISTS: dict[str, Callable[[dict[str, Module]], list[object]]] = {
    "upward": lambda known: list(upward(known)),
    "circles": lambda known: list(circles(known, late=True)),
    "untyped": lambda known: list(untyped(known)),
    "parameters": lambda known: list(parameters(known)[:25]),
    "lengths": lambda known: list(lengths(known)[:25]),
    "once": lambda known: list(mentioned_once(known)),
    "formats": lambda known: [
        f"{name}: {', '.join(knowers(known, words))}" for name, words in FORMATS.items()
    ],
}


def main(arguments: list[str]) -> None:
    """Print the table, or with --list NAME what stands behind one of its rows."""
    if arguments[:1] == ["--list"]:
        for item in LISTS[arguments[1]](modules(Path(arguments[2]) if arguments[2:] else ROOT)):
            print(item)
        return
    roots = [Path(text).resolve() for text in arguments] or [ROOT]
    columns = [rows(root) for root in roots]
    names = list(dict.fromkeys(name for column in reversed(columns) for name in column))
    titles = ["now" if root == ROOT else root.name for root in roots]
    print(f"| | {' | '.join(titles)} |\n|---|" + "---|" * len(roots))
    for name in names:
        print(f"| {name} | " + " | ".join(column.get(name, "–") for column in columns) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
