"""The same, of images and figures."""

from pathlib import Path

import numpy as np
from wandb_scripts import needs, script, torch_with_a_seed


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, shape, np.uint8)


@script
@needs("PIL")
def images_of_arrays(wandb):
    wandb.init()
    wandb.log(
        {
            "two": wandb.Image(noise(5, 7)),
            "one channel": wandb.Image(noise(5, 7, 1)),
            "rgb": wandb.Image(noise(5, 7, 3)),
        }
    )
    wandb.log(
        {
            "rgba": wandb.Image(noise(3, 4, 4)),
            "batch of one": wandb.Image(noise(1, 6, 5, 3)),
            "flat": wandb.Image(noise(2, 50, 3)),
        }
    )
    wandb.log(
        {"ints": wandb.Image(noise(4, 4, 3).astype(np.int64)), "bright floats": wandb.Image(noise(4, 4, 3) * 1.0)}
    )
    wandb.log(
        {"view": wandb.Image(noise(9, 9, 3)[::2, ::-1]), "turned": wandb.Image(noise(3, 8, 6).transpose(2, 1, 0))}
    )
    wandb.finish()


@script
@needs("PIL")
def images_of_tensors(wandb):
    torch = torch_with_a_seed()
    wandb.init()
    wandb.log(
        {"rgb": wandb.Image(torch.from_numpy(noise(3, 5, 6))), "grey": wandb.Image(torch.from_numpy(noise(1, 5, 6)))}
    )
    bright = torch.from_numpy(noise(3, 4, 5)).float().requires_grad_()
    wandb.log({"floats": wandb.Image(bright, caption="with a gradient")})
    wandb.finish()


@script
@needs("PIL")
def images_of_pil(wandb):
    from PIL import Image

    wandb.init()
    image = Image.fromarray(noise(6, 5, 3))
    wandb.log({mode: wandb.Image(image.convert(mode)) for mode in ("L", "RGB", "RGBA")})
    wandb.log({"small": wandb.Image(image.resize((2, 2))), "cut": wandb.Image(image.crop((1, 1, 4, 4)), caption="cut")})
    wandb.finish()


@script
@needs("PIL")
def images_of_files(wandb):
    from PIL import Image

    Image.fromarray(noise(8, 8, 3)).save("a.png")
    Image.fromarray(noise(8, 8, 3)).save("b.jpg")
    wandb.init()
    wandb.log({"png": wandb.Image("a.png"), "path": wandb.Image(Path("a.png"), caption="by a path")})
    wandb.log({"jpg": wandb.Image("b.jpg")})
    wandb.finish()


@script
@needs("PIL")
def images_in_another_mode(wandb):
    wandb.init()
    wandb.log({"grey": wandb.Image(noise(4, 5, 3), mode="L"), "alpha": wandb.Image(noise(4, 5, 3), mode="RGBA")})
    wandb.finish()


@script
@needs("PIL")
def captions_and_groups(wandb):
    wandb.init()
    wandb.log({"ünï": wandb.Image(noise(3, 3), caption="ünï ✓\n\"'"), "empty": wandb.Image(noise(3, 3), caption="")})
    wandb.log({"grouped": wandb.Image(noise(3, 3), grouping=2), "copied": wandb.Image(wandb.Image(noise(2, 2)))})
    wandb.finish()


@script
@needs("PIL")
def lists_of_images(wandb):
    wandb.init()
    wandb.log(
        {"sizes": [wandb.Image(noise(3, 4, 3)), wandb.Image(noise(5, 2, 3))], "grey": [wandb.Image(noise(2, 2))] * 3}
    )
    wandb.log({"captions": [wandb.Image(noise(2, 2), caption=str(i)) for i in range(5)], "loss": 1})
    wandb.log({"partly": [wandb.Image(noise(2, 2), caption="a"), wandb.Image(noise(2, 2))]}, step=9)
    wandb.log({"val": {"tuple": (wandb.Image(noise(2, 2)), wandb.Image(noise(2, 2)))}})
    wandb.finish()


@script
@needs("PIL")
def samples_beside_numbers_at_one_step(wandb):
    wandb.init()
    for epoch in range(3):
        wandb.log({"loss": 1.0 / (epoch + 1)}, step=epoch)
        wandb.log({"sample": wandb.Image(noise(4, 4, 3) // (epoch + 1)), "accuracy": epoch}, step=epoch)
    wandb.finish()


@script
@needs("PIL")
def masks_of_several_layers(wandb):
    mask = (noise(4, 6) % 3).astype(np.uint8)
    labels = {0: "none", 1: "cat", 2: "dog"}
    masks = {"truth": {"mask_data": mask, "class_labels": labels}, "guess": {"mask_data": mask[::-1]}}
    wandb.init()
    wandb.log(
        {
            "both": wandb.Image(noise(4, 6, 3), masks=masks),
            "ints": wandb.Image(noise(4, 6, 3), masks={"m": {"mask_data": mask.astype(np.int64)}}),
        }
    )
    wandb.finish()


@script
@needs("PIL")
def boxes_of_several_forms(wandb):
    position = {"minX": 0.1, "maxX": 0.2, "minY": 0.3, "maxY": 0.4}
    boxes = [
        {"position": position, "class_id": 1, "box_caption": "cat", "scores": {"acc": 0.5, "iou": np.float32(0.25)}},
        {"position": {"middle": (2, 3), "width": 4, "height": 1}, "class_id": 2, "domain": "pixel"},
    ]
    wandb.init()
    wandb.log(
        {"image": wandb.Image(noise(4, 6, 3), boxes={"p": {"box_data": boxes, "class_labels": {1: "a", 2: "b"}}})}
    )
    wandb.log({"list": [wandb.Image(noise(4, 6, 3), boxes={"p": {"box_data": boxes[:1], "class_labels": {1: "a"}}})]})
    wandb.finish()


@script
@needs("PIL")
def classes_of_an_image(wandb):
    mask = {"mask_data": (noise(4, 6) % 2).astype(np.uint8), "class_labels": {0: "none", 1: "cat"}}
    wandb.init()
    wandb.log({"image": wandb.Image(noise(4, 6, 3), masks={"m": mask}, boxes=None)})
    wandb.finish()


def _figure(size=(3, 2), **more):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=size, **more)
    axes.plot([1, 3, 2])
    axes.set_title("a curve")
    return figure


@script
@needs("matplotlib", "PIL")
def figures_of_several_sizes(wandb):
    from matplotlib import pyplot

    wandb.init()
    wandb.log({"as it is": wandb.Image(_figure((6.4, 4.8)))})
    wandb.log({"fine": wandb.Image(_figure((2, 1), dpi=150)), "odd": wandb.Image(_figure((2.345, 1.237), dpi=97))})
    wandb.log(
        {"coloured": wandb.Image(_figure(facecolor="lightgrey")), "clear": wandb.Image(_figure(facecolor="none"))}
    )
    pyplot.close("all")
    wandb.finish()


@script
@needs("matplotlib", "PIL")
def figures_under_the_users_settings(wandb):
    from matplotlib import pyplot

    wandb.init()
    for changed in (
        {"savefig.dpi": 50},
        {"savefig.bbox": "tight"},
        {"savefig.facecolor": "yellow"},
        {"savefig.transparent": True},
    ):
        with pyplot.rc_context(changed):
            wandb.log({"figure": wandb.Image(_figure()), "setting": next(iter(changed))})
    pyplot.close("all")
    wandb.finish()


@script
@needs("matplotlib", "PIL")
def axes_and_canvas_of_figures(wandb):
    from matplotlib import pyplot

    wandb.init()
    figure = _figure()
    wandb.log({"axes": wandb.Image(figure.axes[0])})
    figure.axes[0].imshow(noise(4, 4))
    wandb.log({"drawn anew": wandb.Image(figure), "same": [wandb.Image(figure), wandb.Image(figure)]})
    pyplot.close("all")
    wandb.finish()


@script
@needs("matplotlib", "PIL")
def figures_of_every_make(wandb):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    wandb.init()
    moving = _figure()
    moving.axes[0].plot([3, 1, 2], animated=True)
    wandb.log({"animated": wandb.Image(moving), "laid out": wandb.Image(_figure(layout="constrained"))})
    tight = _figure()
    tight.tight_layout()
    wandb.log({"tight": wandb.Image(tight), "polar": wandb.Image(_figure(subplot_kw={"projection": "polar"}))})
    heat, axes = pyplot.subplots(1, 2, figsize=(3, 2))
    heat.colorbar(axes[0].imshow(noise(5, 5), alpha=0.5))
    axes[1].set_facecolor((0, 0, 1, 0.25))
    heat.suptitle("$x^2$ ünï")
    wandb.log({"heat": wandb.Image(heat), "part": wandb.Image(axes[1])})
    for canvas in (None, FigureCanvasAgg):
        own = Figure(figsize=(2, 2))
        own.subplots().bar([1, 2], [3, 4])
        if canvas is not None:
            canvas(own)
        wandb.log({"without pyplot": wandb.Image(own)})
    pyplot.close("all")
    wandb.finish()


@script
@needs("PIL")
def masks_of_files(wandb):
    from PIL import Image

    Image.fromarray((noise(4, 6) % 3).astype(np.uint8)).save("m.png")
    wandb.init()
    masks = {"m": {"path": "m.png", "class_labels": {1: "cat"}}}
    wandb.log({"image": wandb.Image(noise(4, 6, 3), masks=masks)})
    wandb.finish()


@script
@needs("PIL")
def classes_beside_masks(wandb):
    mask = {"mask_data": (noise(4, 6) % 2).astype(np.uint8)}
    classes = [{"id": 0, "name": "none"}, {"id": 1, "name": "cat"}]
    wandb.init()
    wandb.log({"image": wandb.Image(noise(4, 6, 3), masks={"m": mask}, classes=classes)})
    wandb.log({"plain": wandb.Image(noise(4, 6, 3), classes=classes)})
    wandb.finish()
