"""Runs a script or a module, and what it starts, with flarebridge.wandb in the place of W&B's client."""

import os
import runpy
import sys
import types

from .installing import install, install_in_children

_USAGE = """\
usage: python -m flarebridge.wandb SCRIPT [ARGUMENT...]
       python -m flarebridge.wandb -m MODULE [ARGUMENT...]

Runs it as `python SCRIPT` or `python -m MODULE` would. Its `import wandb`, that of the libraries which
it uses, and of the Python processes which it starts, give flarebridge.wandb."""


def main() -> None:
    given = sys.argv[1:]
    if not given or given[0] in ("-h", "--help") or (given[0] == "-m" and len(given) < 2):
        asked = bool(given) and given[0] != "-m"
        print(_USAGE, file=sys.stdout if asked else sys.stderr)
        sys.exit(0 if asked else 64)
    install()
    install_in_children()
    if given[0] == "-m":
        sys.argv = given[1:]
        runpy.run_module(given[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = given
        _run_script(given[0])


def _run_script(path: str) -> None:
    """In a module `__main__` of its own that stays, as the interpreter has it: atexit hooks and pickles need it."""
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as e:
        print(f"flarebridge: {path} can't be read: {e.strerror}", file=sys.stderr)
        sys.exit(2)  # as the interpreter has it
    module = types.ModuleType("__main__")
    module.__file__ = path
    module.__builtins__ = __builtins__  # type: ignore[attr-defined]
    sys.modules["__main__"] = module
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    exec(compile(source, path, "exec"), module.__dict__)


if __name__ == "__main__":
    main()
