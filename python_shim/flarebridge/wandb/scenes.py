"""Media that are JSON: Object3D and Plotly."""

import json
from typing import Any, Optional

from .media import Media, NotLogged, content_of, members
from .values import as_array

_OBJECTS = (".obj", ".gltf", ".glb", ".babylon", ".stl", ".pts.json")
_WIDTHS = (3, 4, 6)  # of a point: its place; with a class from 1 to 14; with a colour


class Object3D(Media):
    """A file of W&B's kinds, points of 3, 4 or 6 numbers, or a scene {"type": "lidar/beta", "points": ...}."""

    _type = "object3D-file"

    def _make(
        self, data_or_path: Any, caption: Optional[str] = None, file_type: Optional[str] = None, **_kwargs: Any
    ) -> dict:
        array = as_array(data_or_path)
        if array is not None:
            content, ending = _json(_points(array)), ".pts.json"
        elif isinstance(data_or_path, dict):
            content, ending = _json(_scene(data_or_path)), ".pts.json"
        else:
            content, ending = content_of(data_or_path, file_type)
            if ending not in _OBJECTS:
                raise NotLogged(
                    f"Object3D of a file takes {', '.join(_OBJECTS)}, not {ending or 'one without an ending'}"
                )
        return {"data": content, "ext": ending, **members(caption=caption)}

    @classmethod
    def from_file(cls, data_or_path: Any, file_type: Optional[str] = None) -> "Object3D":
        return cls(data_or_path, file_type=file_type)

    @classmethod
    def from_numpy(cls, data: Any) -> "Object3D":
        return cls(data)

    @classmethod
    def from_point_cloud(
        cls, points: Any, boxes: Any = (), vectors: Any = None, point_cloud_type: str = "lidar/beta"
    ) -> "Object3D":
        scene = {"type": point_cloud_type, "points": points, "boxes": boxes, "vectors": vectors or []}
        return cls(scene)


def _points(array: Any) -> list:
    if array.ndim != 2 or array.shape[1] not in _WIDTHS:
        raise NotLogged(
            f"Object3D takes points of 3, 4 or 6 numbers, not an array of {'x'.join(map(str, array.shape))}"
        )
    return array.tolist()


def _scene(given: dict) -> dict:
    if given.get("type") != "lidar/beta":
        raise NotLogged(f"Object3D knows scenes of type lidar/beta, not {given.get('type')!r}")
    scene = {}
    for name, value in given.items():
        array = as_array(value)
        scene[name] = array.tolist() if array is not None else list(value) if isinstance(value, (tuple, set)) else value
    return scene


class Plotly(Media):
    """A figure of plotly's. One of matplotlib's is logged as an image."""

    _type = "plotly-file"

    def _make(self, val: Any) -> dict:
        figure = val.to_plotly_json() if hasattr(val, "to_plotly_json") else val
        if not isinstance(figure, dict):
            raise NotLogged(f"Plotly takes a figure of plotly's, not {type(val).__name__}")
        return {"data": _json(figure), "ext": ".plotly.json"}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=_plain).encode()


def _plain(value: Any) -> Any:
    array = as_array(value)
    if array is not None:
        return array.tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "to_plotly_json"):
        return value.to_plotly_json()
    return str(value)
