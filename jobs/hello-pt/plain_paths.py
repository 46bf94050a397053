"""Lets NVFlare's simulator work at paths with spaces.

It puts commands of its processes together as text, with the paths of Python and of the workspace as they are, and
splits the text again as a shell would (job_config/fed_job_config.py, private/fed/app/simulator/simulator_runner.py).
Here such paths get a second name without spaces for as long as the job runs, by links in a temporary folder.
"""

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path


def is_plain(path: str) -> bool:
    """True if a shell takes the path as it is."""
    return shlex.quote(path) == path


@contextlib.contextmanager
def plain(workspace: Path) -> Iterator[Path]:
    """A plain name of the folder `workspace`, while Python and the temporary folder have one, too."""
    python, temporary = sys.executable, tempfile.gettempdir()
    if all(map(is_plain, (str(workspace), python, temporary))):
        yield workspace
        return
    links = Path(tempfile.mkdtemp(prefix="hello-pt-", dir=temporary if is_plain(temporary) else "/tmp"))
    environment = os.environ.get("TMPDIR")
    try:
        (links / "workspace").symlink_to(workspace)
        # A virtual environment is found by the path of its Python (pyvenv.cfg), so its folder is what is linked.
        (links / "python").symlink_to(Path(python).parents[1])
        sys.executable = str(links / "python" / Path(python).relative_to(Path(python).parents[1]))
        if not is_plain(temporary):
            (links / "tmp").mkdir()
            tempfile.tempdir = os.environ["TMPDIR"] = str(links / "tmp")
        yield links / "workspace"
    finally:
        sys.executable, tempfile.tempdir = python, None
        os.environ.pop("TMPDIR", None)
        if environment is not None:
            os.environ["TMPDIR"] = environment
        shutil.rmtree(links, ignore_errors=True)  # links are removed, not what they lead to
