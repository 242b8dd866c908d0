"""The errors that a user is meant to read: what was found, what was expected, what mends it."""

import ast
import shlex
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # Unicode categories: control characters, lone surrogates, line ends
OBEYED = {*UNPRINTABLE, "Cf"}  # and format characters, which turn or hide the text around them
OURS = "\n\t"  # line ends and tabs are our own: what is read from JSON and CSV holds none


class BusError(Exception):
    """The work failed for a reason the user can act on (exit code 1)."""


class UsageError(BusError):
    """An option is wrong or contradicts what the study froze (exit code 2)."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A sentence to end an error with, where `given` looks like a slip for one of `known`; else nothing."""
    names = {name.casefold(): name for name in known}
    near = [] if given.isdigit() else get_close_matches(given.casefold(), names, n=1)
    return f" Did you mean {names[near[0]]}?" if near else ""


def printable(name: str) -> str:
    """The name with control characters and lone surrogates as escapes, so that a message may show it."""
    return "".join(
        ascii(letter)[1:-1] if unicodedata.category(letter) in UNPRINTABLE else letter for letter in name
    )


def visible(text: str) -> str:
    """Text for a terminal or a page: characters that either would obey are shown as escapes; lines stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ascii(letter)[1:-1] if letter not in OURS and unicodedata.category(letter) in OBEYED else letter
        for letter in text
    )


def retyped(command: str) -> str:
    """A command that a file names, as a shell would take it: each word quoted, so that it runs `bus` alone.

    Whoever wrote the file may have put anything there; what is no command of `bus` becomes `bus --help`, and
    what is no call of its Python interface `help(bus)`.
    """
    if command.startswith("bus."):  # of the Python interface: names and plain values alone
        harmless = (ast.Expression, ast.Call, ast.Attribute, ast.Name, ast.Load, ast.keyword, ast.Constant)
        try:
            nodes = list(ast.walk(tree := ast.parse(command, mode="eval")))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return "help(bus)"
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        plain = all(isinstance(node, (*harmless, ast.List, ast.Tuple)) for node in nodes)
        return ast.unparse(tree) if plain and names == {"bus"} else "help(bus)"
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    return shlex.join(words) if words[:1] == ["bus"] and len(words) > 1 else "bus --help"
