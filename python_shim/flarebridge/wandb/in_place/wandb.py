"""What `import wandb` finds in children of `python -m flarebridge.wandb`: flarebridge.wandb takes its place."""

from flarebridge.wandb import install

install()
