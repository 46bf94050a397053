"""Scripts whose runs differ from those of W&B's client on purpose: test_wandb_scripts.py says how."""

import os

import numpy as np
from wandb_scripts import differs, needs, torch_with_a_seed


@differs
@needs("PIL")
def images_of_small_floats(wandb):
    wandb.init()
    ramp = np.linspace(0, 1, 6).reshape(2, 3)
    wandb.log({"array": wandb.Image(ramp)})
    wandb.log({"tensor": wandb.Image(torch_with_a_seed().from_numpy(ramp[None]).float())})
    wandb.finish()


@differs
@needs("PIL")
def an_image_of_one_row(wandb):
    wandb.init()
    wandb.log({"image": wandb.Image(np.arange(60, dtype=np.uint8).reshape(1, 20, 3))})
    wandb.finish()


@differs
def gradients_with_steps(wandb):
    torch = torch_with_a_seed()
    wandb.init()
    layer = torch.nn.Linear(2, 1, bias=False)
    wandb.watch(layer, log_freq=1)
    for step in range(3):
        layer.zero_grad()
        layer(torch.full((1, 2), float(step))).sum().backward()
        wandb.log({"number": step}, step=step)
    wandb.finish()


@differs
def a_second_run_of_a_watched_model(wandb):
    torch = torch_with_a_seed()
    for number in range(2):
        wandb.init(config={"number": number})
        layer = torch.nn.Linear(2, 1, bias=False)
        wandb.watch(layer, log_freq=1)
        layer(torch.ones(1, 2)).sum().backward()
        wandb.log({"number": number})
        wandb.finish()


@differs
def steps_that_come_late(wandb):
    wandb.init()
    for step in (5, 3, 6):
        wandb.log({"at": step}, step=step)
    wandb.finish()


@differs
def integers_of_64_bits(wandb):
    wandb.init()
    wandb.log({"u64": np.uint64(2**64 - 1), "beyond": 2**63})
    wandb.finish()


@differs
def a_config_of_a_long_array(wandb):
    wandb.init(config={"long": np.arange(2000)}).finish()


@differs
def a_file_that_changes_behind_save(wandb):
    with open("saved.txt", "w") as file:
        file.write("as it was")
    run = wandb.init()
    run.save("saved.txt", policy="now")
    with open("saved.txt", "w") as file:
        file.write("changed")
    run.finish()


@differs
def histograms_with_numbers_that_are_not_finite(wandb):
    wandb.init()
    for values in ([1.0, 2.0, np.nan], np.array([1.0, np.inf, 3.0])):
        try:
            wandb.log({"h": wandb.Histogram(values, num_bins=2)})
        except ValueError:
            wandb.log({"h": "raised"})
    wandb.finish()


@differs
@needs("PIL")
def images_of_other_files(wandb):
    from PIL import Image

    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    wandb.init()
    for ending in ("bmp", "webp", "tiff", "gif"):
        image.save(f"a.{ending}", **({"lossless": True} if ending == "webp" else {}))
        wandb.log({ending: wandb.Image(f"a.{ending}")})
    wandb.finish()


@differs
@needs("PIL")
def an_image_that_is_to_be_a_jpeg(wandb):
    wandb.init()
    wandb.log({"image": wandb.Image(np.arange(48, dtype=np.uint8).reshape(4, 4, 3), file_type="jpg")})
    wandb.finish()


@differs
def tags_as_a_text(wandb):
    wandb.init(tags="single", config={"number": 1}).finish()
    os.environ["WANDB_TAGS"] = "a, b"
    wandb.teardown()  # W&B's client reads the environment once
    try:
        wandb.init(config={"number": 2}).finish()
    finally:
        del os.environ["WANDB_TAGS"]


@differs
def a_dict_of_the_config_that_is_set_anew(wandb):
    run = wandb.init(config={"m": {"a": 1}})
    run.config.update({"m": {"b": 2}}, allow_val_change=True)
    assert dict(run.config)["m"] == {"b": 2}
    run.finish()


@differs
def a_tag_that_comes_twice(wandb):
    wandb.init(tags=["b", "a", "b"]).finish()


@differs
@needs("matplotlib", "PIL", "plotly")
def a_bare_figure(wandb):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(2, 1))
    axes.plot([1, 3, 2])
    wandb.init()
    wandb.log({"bare": figure, "image": wandb.Image(figure)})
    pyplot.close("all")
    wandb.finish()
