"""What the project's README tells people to write and to type is what the package and the programs take."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from bridge_driver import Driver
from flarebridge.bridge_process import find_binary

_TEXT = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
_USAGE = 64  # the exit status of what was typed wrong


def _blocks(language: str) -> list[str]:
    found = [block for given, block in re.findall(r"^```(\w*)\n(.*?)^```$", _TEXT, re.MULTILINE | re.DOTALL)
             if given == language]  # fmt: skip
    assert found, f"README.md has no block of {language or 'commands'}"
    return found


@pytest.mark.parametrize("block", _blocks("python"))
def test_its_python_runs(tmp_path, block):
    """A recipe is what has a job; outside of a job a writer logs to nobody."""
    before = "from nvflare.job_config.api import FedJob\nrecipe = FedJob('readme')\n"
    done = subprocess.run(
        [sys.executable, "-c", before + block], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("change", _blocks("diff"))
def test_its_configuration_loads_before_and_after_the_change(change):
    """Each side of a change is a component as NVFlare loads it: a path and arguments."""
    for side in "-+":
        lines = [line[1:] for line in change.splitlines() if line[0] in (side, " ")]
        component = json.loads("{" + "".join(lines) + "}")
        module, _, name = component["path"].rpartition(".")
        getattr(importlib.import_module(module), name)(**component["args"])


def test_its_commands_are_taken(tmp_path):
    with Driver(tmp_path, {"wandb": {}}) as driver:
        driver.data("site-1", "METRIC", "loss", 0.5, step=0)
        driver.end()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    asked = {"sync": ["--dry-run"], "login": ["--check"]}  # without a server
    lines = [line for block in _blocks("") for line in block.splitlines()]
    commands = [shlex.split(line, comments=True)[1:] for line in lines if re.match(r"(\.venv/bin/)?flarebridge ", line)]
    assert {command[0] for command in commands} >= {"show", "sync", "login", "--version"}
    for command in commands:
        words = [str(tmp_path) if word == "FOLDER" else word for word in command]
        done = subprocess.run(
            [find_binary(), *words, *asked.get(words[0], [])],
            cwd=tmp_path,
            env={**clean, "HOME": str(tmp_path), "WANDB_BASE_URL": "http://127.0.0.1:9"},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode != _USAGE, done.stderr
        assert words[0] == "login" or done.returncode == 0, done.stderr
