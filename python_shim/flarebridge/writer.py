"""BridgeWriter: what a training script calls to log, whichever tracking system it was written for.

A superset of NVFlare's SummaryWriter, WandBWriter and MLflowWriter, on NVFlare's own way from a
script to its events. Use it after `flare.init()`, on rank 0, as those.
"""

from typing import Any, Optional

from nvflare.client.tracking import MLflowWriter, SummaryWriter, WandBWriter


class BridgeWriter:
    """Logs metrics, parameters, texts and tags of this site."""

    def __init__(self):
        self._wandb = WandBWriter()
        self._tensorboard = SummaryWriter()
        self._mlflow = MLflowWriter()

    # As wandb.
    def log(self, metrics: dict[str, Any], step: Optional[int] = None) -> None:
        """A dict of metrics, at a step of 0 or above, or as a row of its own."""
        self._wandb.log(metrics, step)

    # As TensorBoard.
    def add_scalar(self, tag: str, scalar: float, global_step: Optional[int] = None, **kwargs) -> None:
        self._tensorboard.add_scalar(tag, scalar, global_step=global_step, **kwargs)

    def add_scalars(self, tag: str, scalars: dict[str, float], global_step: Optional[int] = None, **kwargs) -> None:
        self._tensorboard.add_scalars(tag, scalars, global_step=global_step, **kwargs)

    # As MLflow.
    def log_metric(self, key: str, value: float, step: Optional[int] = None) -> None:
        self._mlflow.log_metric(key, value, step)

    def log_metrics(self, metrics: dict[str, float], step: Optional[int] = None) -> None:
        self._mlflow.log_metrics(metrics, step)

    def log_param(self, key: str, value: Any) -> None:
        """A parameter: goes into the run's config."""
        self._mlflow.log_param(key, value)

    def log_params(self, values: dict[str, Any]) -> None:
        self._mlflow.log_params(values)

    def log_text(self, text: str, artifact_file_path: str) -> None:
        """A text file of the run."""
        self._mlflow.log_text(text, artifact_file_path)

    def set_tag(self, key: str, tag: Any) -> None:
        self._mlflow.set_tag(key, tag)

    def set_tags(self, tags: dict[str, Any]) -> None:
        self._mlflow.set_tags(tags)

    def flush(self) -> None:
        """Nothing waits here."""
