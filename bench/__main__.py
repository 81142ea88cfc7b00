"""``python -m bench NAME [options]``: one benchmark by name, or ``all`` of them."""

import importlib
import sys

import click

from bench.targets import BENCHES


def main(arguments: list[str]) -> None:
    """Run the benchmark that the first argument names; only its module is imported."""
    name = arguments[0] if arguments else ""
    if name not in (*BENCHES, "all"):
        click.echo(f"no benchmark {name!r}; there are: {', '.join((*BENCHES, 'all'))}", err=True)
        sys.exit(2)
    module = importlib.import_module(f"bench.{'everything' if name == 'all' else name}")
    command: click.Command = module.main
    command.main(arguments[1:], prog_name=f"python -m bench {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
