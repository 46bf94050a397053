"""What the smaller examples say at their end: a page of their runs' curves."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Optional

_BUILD = Path(__file__).resolve().parents[1] / "build"
_FINISH_SECONDS = "20"  # that bridges may take to finish the runs


def folder_for(example: str, named: Optional[str]) -> Path:
    """The folder of a call: the one that is named, or a new one below build/."""
    if named:
        folder = Path(named).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    (_BUILD / example).mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=_BUILD / example))


def write_report(folder: Path) -> int:
    """Shows the runs below a folder, makes the page, and says where it is. Gives an exit status."""
    program = os.environ.get("FLAREBRIDGE_BINARY") or str(Path(sys.executable).with_name("flarebridge"))
    page = folder / "report.html"
    try:
        subprocess.run([program, "show", "--wait", _FINISH_SECONDS, str(folder)], check=True)
        subprocess.run([program, "report", str(folder), "-o", str(page)], check=True, stdout=subprocess.DEVNULL)
    except OSError as e:
        print(f"{program} can't be started ({e.strerror}); jobs/setup.sh installs it", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as e:
        return e.returncode
    print(f"\nTheir curves, for a browser: {page}", flush=True)
    return 0
