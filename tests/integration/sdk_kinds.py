"""A script that logs every kind of record with the real W&B SDK. usage: sdk_kinds.py CONSOLE (wandb's setting)"""

import sys
from pathlib import Path

import wandb

run = wandb.init(
    project="kinds", entity="tester", id="sdkkinds", name="every kind", group="group", job_type="train",
    tags=["a", "b c"], notes="ü", config={"a": 1, "nest": {"b": [1, 2.5], "c": "x"}},
    settings=wandb.Settings(console=sys.argv[1]),
)  # fmt: skip
run.define_metric("epoch")
run.define_metric("acc", step_metric="epoch", summary="max,min")
run.define_metric("val/*", step_metric="epoch")
print("hello")
print("partial", end="")
print(" line")
sys.stderr.write("err line\n")
for i in range(50):
    run.log({"epoch": i, "acc": [0.1, 0.9, 0.4][i % 3], "val/x": i, "loss": 1 / (i + 1), "odd": float("nan")})
run.log({"hist": wandb.Histogram([1, 2, 3]), "html": wandb.Html("<b>x</b>")})
run.log({"table": wandb.Table(columns=["a", "b"], data=[[1, 2], [3, 4]])})
Path("saved.txt").write_text("saved")
run.save("saved.txt", policy="now")
run.alert("title", "text")
run.config.update({"a": 2}, allow_val_change=True)
run.summary["best"] = 1
run.summary["nested"] = {"x": 1}
run.summary["gone"] = 2
del run.summary["gone"]
run.finish(exit_code=2)
