"""`python -m bus` is the `bus` command."""

from .cli.app import main

main()
