"""A folder for each call of hello-pt, so that no call deletes or mixes with the runs of another.

NVFlare's simulator empties its workspace, `hello-pt/` in this folder, before it begins.
"""

import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

# In the environment of all processes of a call: its folder.
MARK = "HELLO_PT_FOLDER"
_HOME = Path(__file__).resolve().parents[2] / "build" / "hello-pt"
_COMMAND = "command.txt"


def of_this_call(workspace: Optional[str], argv: Sequence[str]) -> Path:
    """The folder of this call: the one that run.py has made, else a new one, or `workspace` if it is named.

    Raises ValueError where `workspace` can't be taken.
    """
    marked = os.environ.get(MARK)
    if marked:
        return Path(marked)
    folder = _named(Path(workspace)) if workspace else _new(_HOME)
    try:
        with (folder / _COMMAND).open("x") as file:
            file.write(f"jobs/hello-pt/run.sh {shlex.join(argv)}\n")
    except FileExistsError:
        raise _taken(folder) from None
    except OSError as e:
        raise ValueError(f"{folder}: no file can be made there ({e.strerror})") from None
    os.environ[MARK] = str(folder)
    return folder


def _named(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any((folder / "hello-pt").iterdir() if (folder / "hello-pt").exists() else ()):
            raise _taken(folder)
    except OSError as e:
        raise ValueError(f"--workspace {folder}: {e.strerror}") from None
    return folder


def _taken(folder: Path) -> ValueError:
    return ValueError(
        f"--workspace {folder}: another call has this folder, and NVFlare would delete its runs. Name a new one, or "
        "leave --workspace out: each call then has its own"
    )


def _new(home: Path) -> Path:
    name = time.strftime("%Y%m%d-%H%M%S")
    try:
        home.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1000):
            folder = home / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue  # a call of the same second
            _point(home / "latest", folder.name)
            return folder
    except OSError as e:
        raise ValueError(f"{home}: {e.strerror}") from None
    raise ValueError(f"{home}: a thousand calls in one second")


def _point(link: Path, target: str) -> None:
    """Lets the link point to `target`; nobody finds it missing meanwhile."""
    draft = link.with_name(f".latest-{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
