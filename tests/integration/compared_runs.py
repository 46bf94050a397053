"""What a script has said, as its run log has it, in a form in which two clients' runs can be compared."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from run_log import config, exit_code, find_runs, read_records, rows, run, summary

_OF_THE_CLIENTS = ("_wandb", "_timestamp", "_runtime")  # values that are not the script's


def logs_below(folder: Path) -> list[Path]:
    """In the order in which they were begun, as far as their names tell; those of one second by what they hold."""
    return sorted(find_runs(folder), key=lambda log: str(sorted(config(log).items())))


def own(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not key.startswith(_OF_THE_CLIENTS)}


def comparable(value: Any) -> Any:
    """NaN equals itself; numbers are compared as JSON has them."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value


def said(log: Path) -> dict[str, Any]:
    """All that a script has said, as its run log has it."""
    record = run(log)
    return comparable(
        {
            "rows": [_with_content(own(row), log) for row in rows(log)],
            "config": own(config(log)),
            # Of a null that was logged W&B's client has nothing here; readers take both for nothing.
            "summary": _without_null(_tree(_with_content(own(summary(log)), log))),
            "definitions": _definitions(log),
            "called": (record.display_name, record.notes, record.run_group, record.job_type, sorted(record.tags)),
            "belongs": (record.project or "uncategorized", record.entity),
            "exit": exit_code(log),
            "alerts": [
                str(record.alert) for record in read_records(log) if record.WhichOneof("record_type") == "alert"
            ],
        }
    )


def flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested row with its keys joined by dots."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        found.update(flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return found


def _tree(flat: dict[str, Any]) -> dict[str, Any]:
    """Keys with dots as dicts: a dict that is set as a whole is the same as its parts, one by one."""
    found: dict[str, Any] = {}
    for key, value in flat.items():
        *outer, last = key.split(".")
        place = found
        for part in outer:
            inner = place.get(part)
            place[part] = place = inner if isinstance(inner, dict) else {}
        place[last] = value
    return found


def _without_null(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_null(item) for key, item in value.items() if item is not None}


def _with_content(row: dict[str, Any], log: Path) -> dict[str, Any]:
    """What is in the files that a row names, in the place of their names, which nobody may rely on."""
    found = dict(row)
    for key in [key for key in row if key.endswith(".path")]:
        name = key[: -len(".path")]
        media = {part: found.pop(f"{name}.{part}") for part in ("path", "sha256", "size")}
        found[f"{name}.content"] = _content(media, log)
    return {key: _loaded(value, key, log) for key, value in found.items()}


def _loaded(value: Any, key: str, log: Path) -> Any:
    if isinstance(value, dict):
        media = {part: value[part] for part in ("path", "sha256", "size") if part in value} if "path" in value else {}
        kept = {part: _loaded(item, part, log) for part, item in value.items() if part not in media}
        return {**kept, "content": _content(media, log)} if media else kept
    if isinstance(value, list) and key.endswith("filenames"):
        folder = "media/object3D/" if not value[0].startswith("media/") else ""
        return [_content({"path": folder + path}, log) for path in value]
    return [_loaded(item, key, log) for item in value] if isinstance(value, list) else value


def _content(media: dict[str, Any], log: Path) -> Any:
    """JSON as values, images as pixels, all else as bytes; size and sum have to be those of the file."""
    path = log.parent / "files" / media["path"]
    content = path.read_bytes()
    assert media.get("size", len(content)) == len(content)
    assert media.get("sha256", hashlib.sha256(content).hexdigest()) == hashlib.sha256(content).hexdigest()
    assert hashlib.sha256(content).hexdigest()[:20] in path.name
    if path.suffix == ".json":
        return {"folder": str(Path(media["path"]).parent), "json": _without_addresses(json.loads(content))}
    if path.suffix == ".png":
        from PIL import Image

        image = Image.open(path)
        if image.mode == "RGBA" and image.getextrema()[3] == (255, 255):
            image = image.convert("RGB")  # it says the same
        return {"folder": str(Path(media["path"]).parent), "pixels": (image.mode, image.size, image.tobytes())}
    return {"folder": str(Path(media["path"]).parent), "bytes": content}


def _without_addresses(content: Any) -> Any:
    """W&B's client numbers the layers of a graph by their places in memory."""
    for number, node in enumerate(content.get("nodes", ()) if isinstance(content, dict) else ()):
        if isinstance(node.get("id"), int):
            node["id"] = number
    return content


def _definitions(log: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for record in read_records(log):
        if record.WhichOneof("record_type") == "metric":
            metric = record.metric
            name = metric.name or metric.glob_name
            metric.ClearField("_control")
            found[name] = str(metric)
    return found
