"""The same with media."""

from pathlib import Path

import numpy as np
from wandb_scripts import needs, script


@script
def pages_points_and_files(wandb):
    files = _files()
    wandb.init()
    wandb.log({"page": wandb.Html("<p>hi</p>"), "whole": wandb.Html("<html><head></head>x</html>", inject=False)})
    wandb.log({"points": wandb.Object3D(np.array([[0.0, 0.5, 1.0], [1, 2, 3]]))}, step=3)
    scene = {"type": "lidar/beta", "points": np.array([[1.0, 2, 3]]), "boxes": np.array([]), "vectors": np.array([])}
    wandb.log({"scene": wandb.Object3D(scene), "mesh": wandb.Object3D(str(files / "a.obj"), caption="m")})
    wandb.log({"molecule": wandb.Molecule(str(files / "m.pdb"), caption="water"), "loss": 1})
    wandb.log({"sound": wandb.Audio(str(files / "s.wav"), caption="beep"), "film": wandb.Video(str(files / "v.gif"))})
    wandb.log({"eval": {"page": wandb.Html("nested", inject=False), "loss": 0.5}})
    wandb.log({"with/slash page": wandb.Html("slash", inject=False)})
    wandb.finish()


@script
def lists_of_media(wandb):
    files = _files()
    wandb.init()
    wandb.log({"pages": [wandb.Html("a", inject=False), wandb.Html("b", inject=False)]})
    wandb.log({"clouds": [wandb.Object3D(np.array([[0.0, 0.5, 1.0]])), wandb.Object3D(np.array([[1.0, 2, 3, 1]]))]})
    wandb.log({"molecules": [wandb.Molecule(str(files / "m.pdb"), caption="x"), wandb.Molecule(str(files / "m.pdb"))]})
    wandb.log({"films": [wandb.Video(str(files / "v.gif"))], "none": [], "numbers": [1, 2]})
    wandb.finish()


@script
@needs("PIL")
def images(wandb):
    from PIL import Image

    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (9, 11, 3), np.uint8)
    wandb.init()
    wandb.log({"rgb": wandb.Image(pixels, caption="noise"), "grey": wandb.Image(pixels[:, :, 0]), "loss": 1})
    wandb.log({"rgba": wandb.Image(rng.integers(0, 255, (4, 4, 4), np.uint8)), "flat": wandb.Image(pixels[:, :, :1])})
    wandb.log({"pil": wandb.Image(Image.fromarray(pixels)), "nested": {"image": wandb.Image(pixels)}}, step=7)
    wandb.log(
        {"several": [wandb.Image(pixels, caption="one"), wandb.Image(pixels[::-1])], "one": [wandb.Image(pixels)]}
    )
    wandb.finish()


@script
@needs("PIL")
def masks_and_boxes(wandb):
    pixels = np.zeros((4, 6, 3), np.uint8)
    mask = {
        "mask_data": np.arange(24, dtype=np.uint8).reshape(4, 6) % 3,
        "class_labels": {0: "none", 1: "cat", 2: "dog"},
    }
    box = {"position": {"minX": 0.1, "maxX": 0.2, "minY": 0.3, "maxY": 0.4}, "class_id": 1, "box_caption": "cat"}
    boxes = {"box_data": [box], "class_labels": {1: "cat"}}
    wandb.init()
    wandb.log({"image": wandb.Image(pixels, masks={"truth": mask}, boxes={"found": boxes})})
    wandb.log({"list": [wandb.Image(pixels, masks={"truth": mask}), wandb.Image(pixels)]})
    wandb.finish()


@script
@needs("matplotlib", "PIL")
def figures(wandb):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(3, 2))
    axes.plot([1, 3, 2])
    wandb.init()
    wandb.log({"figure": wandb.Image(figure), "by pyplot": wandb.Image(pyplot)})
    wandb.finish()


@script
@needs("plotly")
def figures_of_plotlys(wandb):
    from plotly import graph_objects

    wandb.init()
    wandb.log({"bare": graph_objects.Figure(graph_objects.Scatter(y=[1, 3, 2])), "loss": 1})
    wandb.finish()


def _files() -> Path:
    """Small files of several kinds, in the working folder."""
    for name, content in (
        ("a.obj", b"v 0 0 0\n"),
        ("m.pdb", b"HETATM\n"),
        ("v.gif", b"GIF89a..."),
        ("s.wav", b"RIFF..."),
    ):
        Path(name).write_bytes(content)
    return Path.cwd()


@script
@needs("torch")
def graphs(wandb):
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Sequential(torch.nn.ReLU()))
            self.cell = torch.nn.LSTM(4, 3)
            self.head = torch.nn.Linear(3, 2)

        def forward(self, given):
            return self.head(self.cell(self.body(given))[0])

    run = wandb.init()
    first, second = Net(), torch.nn.Sequential(torch.nn.Linear(6, 1))
    wandb.watch([first, second], log=None, idx=0, log_graph=True)
    for number in range(3):
        first(torch.zeros(5, 6))
        wandb.log({"loss": number})
        second(torch.zeros(5, 6))
    graph = wandb.Graph(format="torch")
    given = graph.add_node(id="x", name="in", class_name="Input", output_shape=[3], num_parameters=[0])
    graph.add_edge(given, graph.add_node(id="y", name="out"))
    wandb.log({"mine": graph})
    run.summary["kept"] = graph
    try:
        wandb.watch(first, log=None, log_graph=True)
    except ValueError:
        run.summary["refused"] = True
    run.finish()
