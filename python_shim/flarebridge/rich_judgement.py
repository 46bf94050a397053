"""The same of media, and of what a script says of its run: types that events have beside NVFlare's. Pure; any thread.

Media leave whole or not at all: an image is of the kind images, a table of the kind tables, all else of the kind files.
Of an operation only what is known of it leaves.
"""

from typing import Any

from .events import EventRejected, plain
from .judgement import BY_KIND, BY_NAME, BY_SIZE, NOTHING, Judgement, size_of
from .large import Large

RICH = frozenset(("MEDIA", "OPERATION"))

_IMAGE = "image-file"
_IMAGE_FIELDS = {"_type", "data", "ext", "pixels", "caption", "grouping", "masks", "boxes", "in"}
_TABLE = "table-file"
_TABLE_FIELDS = {"_type", "columns", "types", "nrows", "log_mode", "data", "chart", "in"}
_PIXEL_FIELDS = {"height", "width", "channels", "data"}
_MASK_FIELDS = {"height", "width", "data", "class_labels"}
_BOX_FIELDS = {"box_data", "class_labels"}
_WRITTEN = ("caption", "boxes")  # members that are texts, or hold some
_SUMMARIES = ("min", "max", "mean", "last", "first", "copy", "none", "best")
_FLAGS = ("step_sync", "hidden", "overwrite")
_OF_A_RUN = ("name", "notes", "group", "job_type")


class RichJudgement(Judgement):
    """Of one record."""

    def run(self) -> tuple:
        """See Judgement."""
        record, value = self._record, self._record.value
        if not isinstance(value, dict):
            return self._keep_all(self._tag, BY_KIND)
        if not self._policy.allows_parent(tuple(self._above)):
            return self._keep_all(self._tag, BY_NAME)
        try:
            seen = plain(value)
        except EventRejected:
            return self._keep_all(self._tag, BY_SIZE)  # no event can hold it
        left = self._media(seen) if self._type == "MEDIA" else self._operation(seen)
        if left is NOTHING:
            return None, self._kept
        extra = self._extra_that_leaves()
        if left == seen and extra is record.extra and record.path is None:
            return record, self._kept
        return record._replace(value=left, path=None, extra=extra), self._kept

    # --- media ---

    def _media(self, value: dict) -> Any:
        around = value.get("in")
        around = around if isinstance(around, list) else []
        path = (*map(str, around), self._tag)
        self._kind = "images" if _is_image(value) else "tables" if _is_table(value) else "files"
        for parts in ((), *_parts_of_a_table(value)):
            if not self._policy.allows(self._names((*path, *parts)), self._exact(path)):
                return self._keep(path, self._kind, BY_NAME)
        if self._kind not in self._policy.kinds or (self._kind == "tables" and self._policy.rounds):
            return self._keep(path, self._kind, BY_KIND)  # numbers in a table are not rounded here
        if self._policy.too_large(self._kind, _bytes_of(value)):
            return self._keep(path, self._kind, BY_SIZE)
        return value if self._kind == "tables" or "texts" in self._policy.kinds else _without_texts(value)

    # --- operations ---

    def _operation(self, value: dict) -> Any:
        judge = {
            "define_metric": self._definition, "summary": self._summary, "summary_delete": self._deletion,
            "run": self._of_the_run, "alert": self._alert, "save": self._saved,
        }.get(str(value.get("op")))  # fmt: skip
        if judge is None:
            return self._keep((self._tag,), "files", BY_KIND)
        return judge(value)

    def _definition(self, value: dict) -> Any:
        self._kind = "scalars"
        if not self._leaves((self._tag,)):
            return NOTHING
        found = {"op": "define_metric", **{name: value[name] for name in _FLAGS if type(value.get(name)) is bool}}
        step = value.get("step_metric")
        if isinstance(step, str):
            if self._policy.allows((step,), (step,)):
                found["step_metric"] = step
            else:
                self._keep((step,), "scalars", BY_NAME)
        if isinstance(value.get("summary"), list):
            found["summary"] = [item for item in value["summary"] if item in _SUMMARIES]
        if value.get("goal") in ("minimize", "maximize"):
            found["goal"] = value["goal"]
        return found

    def _summary(self, value: dict) -> Any:
        self._kind, given = "scalars", value.get("value")
        left = self._media(given) if _is_media(given) else self._walk(given, (self._tag,))
        return NOTHING if left is NOTHING else {"op": "summary", "value": left}

    def _deletion(self, _value: dict) -> Any:
        self._kind = "scalars"
        return {"op": "summary_delete"} if self._leaves((self._tag,)) else NOTHING

    def _of_the_run(self, value: dict) -> Any:
        self._kind = "tags"
        given = {name: value[name] for name in _OF_A_RUN if isinstance(value.get(name), str)}
        if isinstance(value.get("tags"), list):
            given["tags"] = [tag for tag in value["tags"] if isinstance(tag, str)]
        left = self._walk(given, ("run",)) if given else NOTHING
        return NOTHING if left is NOTHING else {"op": "run", **left}

    def _alert(self, value: dict) -> Any:
        self._kind = "texts"
        text = value.get("text")
        if not self._leaves((self._tag,)) or not isinstance(text, str):
            return NOTHING
        if self._policy.too_large("texts", size_of(text)):
            return self._keep((self._tag,), "texts", BY_SIZE)
        found = {"op": "alert", "text": text}
        if value.get("level") in ("INFO", "WARN", "ERROR"):
            found["level"] = value["level"]
        if type(value.get("wait_duration_ms")) is int:
            found["wait_duration_ms"] = value["wait_duration_ms"]
        return found

    def _saved(self, value: dict) -> Any:
        self._kind = "files"
        if not self._leaves((self._tag,)):
            return NOTHING
        if self._policy.too_large("files", _bytes_of(value.get("data"))):
            return self._keep((self._tag,), "files", BY_SIZE)
        return {"op": "save", "data": value.get("data")}

    def _leaves(self, path: tuple) -> bool:
        """By its name and kind; what keeps it is noted."""
        if not self._policy.allows(self._names(path), self._exact(path)):
            self._keep(path, self._kind, BY_NAME)
            return False
        if self._kind not in self._policy.kinds:
            self._keep(path, self._kind, BY_KIND)
            return False
        return True


def _is_media(value: Any) -> bool:
    """What a receiver may make a file of."""
    named = value.get("_type") if isinstance(value, dict) else None
    return isinstance(named, str) and (named.endswith("-file") or named == "list")


def _is_image(value: dict) -> bool:
    """An image, or a list of them, with what is known of images and nothing beside."""
    if value.get("_type") == "list":
        items = value.get("items")
        listed = isinstance(items, list) and bool(items) and all(isinstance(item, dict) for item in items)
        return listed and value.keys() <= {"_type", "items", "in"} and all(map(_is_image, items))
    layers = ((value.get("masks"), _MASK_FIELDS), (value.get("boxes"), _BOX_FIELDS))
    return (
        value.get("_type") == _IMAGE
        and value.keys() <= _IMAGE_FIELDS
        and _has_only(value.get("pixels"), _PIXEL_FIELDS)
        and all(
            given is None or (isinstance(given, dict) and all(_has_only(one, known) for one in given.values()))
            for given, known in layers
        )
    )


def _is_table(value: dict) -> bool:
    """With what is known of tables and nothing beside."""
    return value.get("_type") == _TABLE and value.keys() <= _TABLE_FIELDS


def _parts_of_a_table(value: dict) -> list:
    """What names a table has beside its own: of its columns, and of its chart."""
    if value.get("_type") != _TABLE:
        return []
    columns, chart = value.get("columns"), value.get("chart")
    names = list(columns) if isinstance(columns, list) else []
    names += [chart.get("key", "")] if isinstance(chart, dict) else []
    return [(str(name),) for name in names]


def _has_only(value: Any, known: set) -> bool:
    return value is None or (isinstance(value, dict) and value.keys() <= known)


def _without_texts(value: dict) -> dict:
    """Without captions, boxes and the names of classes."""
    if value.get("_type") == "list":
        return {**value, "items": [_without_texts(item) for item in value.get("items") or [] if isinstance(item, dict)]}
    found = {name: item for name, item in value.items() if name not in _WRITTEN}
    if isinstance(found.get("masks"), dict):
        found["masks"] = {
            layer: {name: item for name, item in mask.items() if name != "class_labels"}
            for layer, mask in found["masks"].items()
            if isinstance(mask, dict)
        }
    return found


def _bytes_of(value: Any) -> int:
    """Bytes of what is in it, keys not counted; of what goes beside the event, too."""
    if isinstance(value, Large):
        return value.size
    if isinstance(value, dict):
        return sum(map(_bytes_of, value.values()))
    if isinstance(value, list):
        return sum(map(_bytes_of, value))
    return len(value) if isinstance(value, bytes) else len(value.encode()) if isinstance(value, str) else 0
