"""A training script that logs artifacts as wandb's users do, offline. Argument: a folder for its files."""

import sys
from pathlib import Path

import wandb

place = Path(sys.argv[1])
(place / "data" / "sub").mkdir(parents=True)
(place / "data" / "a.txt").write_text("a")
(place / "data" / "sub" / "b.bin").write_bytes(bytes(range(256)) * 100)
(place / "data" / "empty").write_bytes(b"")
(place / "weights.pt").write_bytes(b"w" * 70_000)
(place / "kept.bin").write_bytes(b"kept")
(place / "train.py").write_text("print('trains')\n")

run = wandb.init(project="made", entity="tester", id="artful", settings=wandb.Settings(silent=True))
for version in range(2):
    metadata = {"version": version, "deep": {"list": [1, 2.5, None]}}
    artifact = wandb.Artifact("set", "dataset", description="Ünïcode", metadata=metadata)
    artifact.add_dir(str(place / "data"))
    artifact.add_file(str(place / "kept.bin"), name="kept é.bin", policy="immutable")
    with artifact.new_file("made/notes.txt") as notes:
        notes.write(f"notes of version {version}")
    artifact.add_reference("https://example.com/x.tar", name="away.tar", checksum=False)
    artifact.add_reference((place / "weights.pt").as_uri())
    run.log_artifact(artifact, aliases=["best", f"v-{version}"])
    run.log({"loss": 1.0 / (version + 1)})
run.log({"table": wandb.Table(columns=["x", "y"], data=[[1, "one"], [2, None]])})
run.log_model(str(place / "weights.pt"), name="model", aliases=["staging"])
run.log_code(str(place), include_fn=lambda path: path.endswith(".py"))
tagged = wandb.Artifact("tagged", "any")
tagged.add(wandb.Table(columns=["z"], data=[[3]]), "tables/z")
run.log_artifact(tagged, tags=["good one"])
same = wandb.Artifact("tagged", "any")
same.add(wandb.Table(columns=["z"], data=[[3]]), "tables/z")
run.log_artifact(same)
run.alert("Look", "at this", level=wandb.AlertLevel.WARN)
run.finish()
