"""Graphs of models: Graph, and what watch(log_graph=True) draws of a torch model in its first pass.

torch is the script's. Hooks never raise.
"""

import json
import math
from typing import Any, Callable, Optional

from .media import Media

_FIELDS = ("id", "name", "class_name", "size", "parameters", "output_shape", "is_output", "num_parameters")
_CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")  # whose children are nodes, and they are not
_DEEPEST = 8  # of an output that is made of others


class Node:
    """A part of a model: `id`, which is its own in the graph, and whatever of the further fields is known."""

    def __init__(self, **fields: Any):
        unknown = [name for name in fields if name not in _FIELDS]
        if unknown:
            raise TypeError(f"Node() has no {', '.join(unknown)}; there are {', '.join(_FIELDS)}")
        self.name: Any = None
        self.__dict__.update({name: value for name, value in fields.items() if value is not None})

    def __repr__(self) -> str:
        return f"<Node {self.name}>"


class Graph(Media):
    """Nodes and edges as they are when the graph is logged."""

    _type = "graph-file"

    def __init__(self, format: str = "keras"):
        super().__init__()
        self.format = format
        self.nodes: list[Node] = []
        self.nodes_by_id: dict[Any, Node] = {}
        self.edges: list[tuple[Node, Node]] = []

    def _make(self) -> dict:
        return {}

    def add_node(self, node: Optional[Node] = None, **fields: Any) -> Node:
        if node is not None and fields:
            raise ValueError("add_node() takes a node or its fields, not both")
        node = Node(**fields) if node is None else node
        self.nodes.append(node)
        self.nodes_by_id[getattr(node, "id", None)] = node
        return node

    def add_edge(self, from_node: Node, to_node: Node) -> tuple:
        self.edges.append((from_node, to_node))
        return self.edges[-1]

    def __getitem__(self, node_id: Any) -> Node:
        return self.nodes_by_id[node_id]

    def as_value(self) -> dict:
        """See Media."""
        drawn = {
            "format": self.format,
            "nodes": [vars(node) for node in self.nodes],
            "edges": [[getattr(one, "id", None) for one in edge] for edge in self.edges],
        }
        content = json.dumps(drawn, separators=(",", ":"), default=_plain).encode("utf-8", "replace")
        return {"_type": self._type, "data": content, "ext": ".graph.json"}


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy's and torch's as JSON has them; all else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def draw(model: Any, done: Callable[[Graph], None], odd: Callable[[Exception], None]) -> tuple[Graph, list]:
    """The graph of a model, and what takes the hooks away that fill it.

    `done` gets it as soon as each of its layers has run once, in their order.
    """
    graph, open_layers, handles = Graph("torch"), set(), []

    def visit(name: str, layer: Any) -> None:
        open_layers.add(layer)

        def note(ran: Any, _given: Any, output: Any) -> None:
            if ran not in open_layers:
                return
            open_layers.discard(ran)
            handle.remove()
            try:
                _add_layer(graph, name, ran, output)
                if not open_layers:
                    done(graph)
            except Exception as e:
                odd(e)

        handle = layer.register_forward_hook(note)
        handles.append(handle)

    for name, layer in _layers(model, ""):
        if layer not in open_layers:  # one that is used twice is drawn once
            visit(name, layer)
    return graph, handles


def _layers(model: Any, prefix: str) -> Any:
    """Name and layer, those in containers for themselves."""
    for name, child in model.named_children():
        whole = f"{prefix}.{name}" if prefix else name
        if any(kind.__name__ in _CONTAINERS and kind.__module__.startswith("torch.") for kind in type(child).__mro__):
            yield from _layers(child, whole)
        else:
            yield whole, child


def _add_layer(graph: Graph, name: str, layer: Any, output: Any) -> None:
    parameters = [[own, list(parameter.shape)] for own, parameter in layer.named_parameters()]
    graph.add_node(
        id=len(graph.nodes),
        name=name,
        class_name=str(layer),
        parameters=parameters,
        output_shape=_shapes(output if isinstance(output, tuple) else (output,), 0),
        num_parameters=[math.prod(shape) for _, shape in parameters],
    )


def _shapes(output: Any, depth: int) -> list:
    """Of a tensor, or of all that are in it."""
    if hasattr(output, "shape"):
        return list(output.shape)
    if isinstance(output, (list, tuple)) and depth < _DEEPEST:
        return [_shapes(item, depth + 1) for item in output]
    return []
