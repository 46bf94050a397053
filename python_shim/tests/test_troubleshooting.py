"""The troubleshooting page and the code say the same."""

import ast
import re
from pathlib import Path

import flarebridge
import pytest

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "troubleshooting.md").read_text()
_SHIM = Path(flarebridge.__file__).parent
# Where nearly all that a user meets is said: each message there has a row.
_WHOLE = (
    "audit.py", "bridge_process.py", "event_copies.py", "gate.py", "link.py", "outbox.py", "senders.py",
    "socket_place.py", "stopping.py", "trainer_link.py", "wandb/scripts_run.py", "wandb/sink.py", "wandb/starting.py",
    "writer.py",
)  # fmt: skip
_TELLS = (
    "_say", "_report", "report", "_turn_off", "_pause", "BridgeUnavailable", "NoPlace", "warning", "_warn_once", "say",
    "say_once",
)  # fmt: skip
_STRING = re.compile(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+')
_PIECE = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def _named() -> list[str]:
    """What the first cells of the page's tables name, part by part between what differs."""
    found = []
    for line in _PAGE.splitlines():
        if line.startswith("| `"):
            for message in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
                found += [part.strip() for part in message.split("…") if len(part.strip()) > 3]
    return found


def _pieces(tree: ast.AST) -> list[str]:
    """Texts of a Python file, without what is put into them."""
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _said_by_code() -> str:
    """All texts of the shim and of the programs."""
    texts = [text for path in _SHIM.rglob("*.py") for text in _pieces(ast.parse(path.read_text()))]
    for folder in ("bridge", "receivers", "events"):
        for path in (_ROOT / folder).rglob("*.cc"):
            for run in _STRING.findall(re.sub(r"^\s*//.*", "", path.read_text(), flags=re.MULTILINE)):
                texts.append("".join(_PIECE.findall(run)))
    return "\n".join(texts)


def test_what_the_page_names_is_said_by_the_code():
    said = _said_by_code()
    named = _named()
    assert len(named) > 60
    assert [part for part in named if part not in said] == []


@pytest.mark.parametrize("name", _WHOLE)
def test_what_the_shim_tells_of_a_fault_has_a_row(name):
    missing = []
    for node in ast.walk(ast.parse((_SHIM / name).read_text())):
        called = getattr(node, "func", None)
        if getattr(called, "attr", getattr(called, "id", "")) not in _TELLS or not getattr(node, "args", None):
            continue
        if isinstance(node.args[0], ast.Constant) and node.args[0].value == "info":
            continue
        texts = [text for argument in node.args for text in _pieces(argument) if not text.startswith(". ")]
        texts.sort(key=len)
        if texts and len(texts[-1]) > 12 and not any(part in text for part in _named() for text in texts):
            missing.append(texts[-1])
    assert missing == []
