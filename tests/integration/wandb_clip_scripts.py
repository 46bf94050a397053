"""The same, of sounds, films, pages, scenes and molecules."""

import io
from pathlib import Path

import numpy as np
from wandb_scripts import needs, script


@script
@needs("soundfile")
def sounds_of_arrays(wandb):
    wave = np.sin(np.arange(800) / 9)
    wandb.init()
    wandb.log(
        {
            "f64": wandb.Audio(wave, sample_rate=8000, caption="a tone"),
            "f32": wandb.Audio(wave.astype(np.float32), sample_rate=44100),
        }
    )
    wandb.log(
        {
            "i16": wandb.Audio((wave * 20000).astype(np.int16), sample_rate=8000),
            "stereo": wandb.Audio(np.stack([wave, -wave], 1), sample_rate=8000),
        }
    )
    wandb.log(
        {
            "list": wandb.Audio([0.0, 0.5, -0.5, 1.0, -1.0], sample_rate=100),
            "loud": wandb.Audio(wave * 3, sample_rate=8000),
        }
    )
    wandb.log({"i32": wandb.Audio((wave * 2**30).astype(np.int32), sample_rate=8000)})
    wandb.finish()


@script
@needs("soundfile")
def lists_of_sounds(wandb):
    wave = np.sin(np.arange(100) / 9)
    wandb.init()
    wandb.log(
        {
            "sounds": [
                wandb.Audio(wave, sample_rate=8000, caption="a"),
                wandb.Audio(-wave, sample_rate=4000, caption="b"),
            ]
        }
    )
    wandb.finish()


@script
@needs("soundfile")
def sounds_of_files(wandb):
    import soundfile

    Path("s.ogg").write_bytes(b"OggS")  # soundfile's has a number of its own each time
    for ending in ("wav", "flac"):
        soundfile.write(f"s.{ending}", np.sin(np.arange(500) / 9), 8000)
    wandb.init()
    wandb.log({ending: wandb.Audio(f"s.{ending}", caption=ending) for ending in ("wav", "flac", "ogg")})
    wandb.log({"path": wandb.Audio(Path("s.wav"))})
    wandb.finish()


@script
def films_of_files(wandb):
    for ending in ("gif", "mp4", "webm", "ogg"):
        Path(f"v.{ending}").write_bytes(f"film {ending}".encode())
    wandb.init()
    wandb.log({ending: wandb.Video(f"v.{ending}", caption=ending) for ending in ("gif", "mp4", "webm", "ogg")})
    wandb.log({"open": wandb.Video(io.BytesIO(b"GIF89a"), format="gif"), "path": wandb.Video(Path("v.mp4"))})
    wandb.finish()


@script
def pages_of_every_source(wandb):
    Path("page.html").write_text("<html><body>ünï</body></html>", encoding="utf-8")
    wandb.init()
    wandb.log(
        {
            "text": wandb.Html("<b>bold</b>"),
            "plain": wandb.Html("no tags", inject=False),
            "head": wandb.Html("<head></head>x"),
        }
    )
    wandb.log({"file": wandb.Html("page.html"), "path": wandb.Html(Path("page.html"))})
    with open("page.html", encoding="utf-8") as file:
        wandb.log({"open": wandb.Html(file), "memory": wandb.Html(io.StringIO("<p>in memory</p>"))})
    wandb.log({"name only": wandb.Html("page.html", data_is_not_path=True)})
    wandb.finish()


@script
def clouds_of_points(wandb):
    cloud = np.arange(60.0).reshape(10, 6)
    wandb.init()
    wandb.log(
        {"xyz": wandb.Object3D(cloud[:, :3]), "class": wandb.Object3D(cloud[:, :4]), "rgb": wandb.Object3D(cloud)}
    )
    wandb.log(
        {"f32": wandb.Object3D(cloud[:, :3].astype(np.float32)), "ints": wandb.Object3D(np.arange(9).reshape(3, 3))}
    )
    wandb.log({"numpy": wandb.Object3D.from_numpy(cloud[:, :3])})
    wandb.finish()


@script
def scenes_with_boxes(wandb):
    corners = [[0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]]
    box = {"corners": corners, "label": "car", "color": [255, 0, 0]}
    scene = {"type": "lidar/beta", "points": np.arange(12.0).reshape(4, 3), "boxes": np.array([box])}
    wandb.init()
    wandb.log({"scene": wandb.Object3D({**scene, "vectors": np.array([{"start": [0, 0, 0], "end": [1, 2, 3]}])})})
    wandb.finish()


@script
def scenes_by_from_point_cloud(wandb):
    boxes = [{"corners": [[0, 0, 0]] * 8, "label": "box", "color": (0, 255, 0), "score": 0.5}]
    vectors = [{"start": (0, 0, 0), "end": (1, 1, 1)}]
    wandb.init()
    wandb.log({"cloud": wandb.Object3D.from_point_cloud(np.eye(3), boxes, vectors, "lidar/beta")})
    wandb.log({"points": wandb.Object3D.from_point_cloud([[1, 2, 3], [4, 5, 6]], [])})
    wandb.finish()


@script
def objects_of_files(wandb):
    for ending in ("obj", "gltf", "glb", "babylon", "stl", "pts.json"):
        Path(f"o.{ending}").write_text('{"a": 1}' if ending.endswith("json") else f"object {ending}")
    wandb.init()
    for ending in ("obj", "gltf", "glb", "babylon", "stl", "pts.json"):
        wandb.log({"object": wandb.Object3D(f"o.{ending}", caption=ending)})
    with open("o.obj") as file:
        wandb.log({"open": wandb.Object3D(file), "text": wandb.Object3D(io.StringIO("v 0 0 0"), file_type="obj")})
    wandb.finish()


@script
def molecules_of_files(wandb):
    for ending in ("pdb", "pqr", "mmcif", "mcif", "cif", "sdf", "sd", "gro", "mol2", "mmtf"):
        Path(f"m.{ending}").write_text(f"molecule {ending}")
    wandb.init()
    for ending in ("pdb", "pqr", "mmcif", "mcif", "cif", "sdf", "sd", "gro", "mol2", "mmtf"):
        wandb.log({"molecule": wandb.Molecule(f"m.{ending}", caption=ending)})
    with open("m.pdb") as file:
        wandb.log({"open": wandb.Molecule(file, file_type="pdb")})
    wandb.finish()


@script
@needs("plotly")
def figures_of_plotlys_express_kind(wandb):
    from plotly import graph_objects

    bars = graph_objects.Figure(graph_objects.Bar(x=["a", "b"], y=[1, 2]), layout={"title": {"text": "ünï"}})
    wandb.init()
    wandb.log(
        {
            "bars": wandb.Plotly(bars),
            "arrays": graph_objects.Figure(graph_objects.Scatter(x=np.arange(3), y=np.arange(3.0))),
        }
    )
    wandb.log({"eval": {"bars": bars}, "loss": 1}, step=4)
    wandb.finish()


@script
def media_in_nested_dicts(wandb):
    wandb.init()
    wandb.log(
        {"val": {"deep": {"page": wandb.Html("x", inject=False), "loss": 0.5}}, "top": wandb.Html("y", inject=False)}
    )
    wandb.log({"val": {"points": wandb.Object3D(np.zeros((2, 3)))}, "key with spaces/and slash": wandb.Html("z")})
    wandb.finish()


@script
def media_at_one_step_in_two_calls(wandb):
    wandb.init()
    wandb.log({"page": wandb.Html("first", inject=False)}, step=3)
    wandb.log({"loss": 1, "more": wandb.Html("second", inject=False)}, step=3)
    wandb.log({"page": wandb.Html("third", inject=False)}, commit=False)
    wandb.log({"loss": 2})
    wandb.finish()
