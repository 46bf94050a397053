"""All scripts, in wandb_scripts.SCRIPTS."""

import wandb_clip_scripts  # noqa: F401
import wandb_differing_scripts  # noqa: F401
import wandb_media_scripts  # noqa: F401
import wandb_picture_scripts  # noqa: F401
import wandb_row_scripts  # noqa: F401
import wandb_run_scripts  # noqa: F401
