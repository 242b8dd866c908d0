"""`python -m bus` is the `bus` command."""

from .cli import main

main()
