"""A training script that logs with the real W&B SDK, and what it logs. Run by the tests as a process.

usage: sdk_training.py MODE FIRST_STEP [RESUME]     (MODE: offline, online; RESUME: as wandb.init's)
"""

import math
import sys
from typing import Any

RUN_ID, PROJECT, ENTITY = "sdkrun01", "judged", "tester"
NAME, GROUP, JOB_TYPE, NOTES = "shown", "group", "train", "ü\n2"
TAGS = ["first", "two words"]
CONFIG = {
    "lr": 0.1,
    "depth": 3,
    "optimizer": {"name": "sgd", "betas": [0.9, 0.99]},
    "nothing": None,
    "ünï": "é",
}
ROWS = 300


def row(step: int) -> dict[str, Any]:
    """What is logged at a step: every kind of value."""
    return {
        "loss": 1 / (step + 1),
        "count": step,
        "large": 2**53 + step,
        "not a number": math.nan,
        "infinite": math.inf if step % 2 else -math.inf,
        "nested": {"inner": {"value": step * 0.5}, "text": f"row {step} é"},
        "dotted.key": step,
        "flag": step % 2 == 0,
        "list": [1, 2.5, "x"],
        "text": "t" * 60,
    }


def flat_row(step: int) -> dict[str, Any]:
    """`row` as a run log holds it: nested keys joined by "."."""
    logged = row(step)
    nested = logged.pop("nested")
    return {**logged, "nested.inner.value": nested["inner"]["value"], "nested.text": nested["text"]}


def main() -> None:
    import wandb

    mode, first = sys.argv[1], int(sys.argv[2])
    run = wandb.init(
        project=PROJECT, entity=ENTITY, id=RUN_ID, name=NAME, group=GROUP, job_type=JOB_TYPE, notes=NOTES,
        tags=TAGS, config=CONFIG, mode=mode, dir=".", resume=sys.argv[3] if len(sys.argv) > 3 else None,
    )  # fmt: skip
    print("a line on the console")
    for step in range(first, first + ROWS):
        run.log(row(step), step=step)
    run.config.update({"late": 5})
    run.summary["best"] = first
    run.finish()


if __name__ == "__main__":
    main()
