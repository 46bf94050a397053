"""WandbMetricsLogger for Keras 3, whatever its backend is. Loaded when it is asked for: it needs keras.

W&B's own callback needs TensorFlow; the keys are the same.
"""

from typing import Any, Optional, Union

from keras.callbacks import Callback

from . import define_metric, log
from .errors import Error
from .terminal import say_once


class WandbMetricsLogger(Callback):
    """Metrics and the learning rate, by epoch or by batch."""

    def __init__(self, log_freq: Union[str, int] = "epoch", initial_global_step: int = 0):
        """`log_freq`: "epoch", "batch", or a number of batches. Raises Error before init()."""
        super().__init__()
        from . import run

        if run is None:
            raise Error("You must call `wandb.init()` before WandbMetricsLogger()")
        self._every = 1 if log_freq == "batch" else log_freq if isinstance(log_freq, int) else 0  # batches
        self._logged_batches = 0
        self._step = initial_global_step
        axis, metrics = ("batch/batch_step", "batch/*") if self._every else ("epoch/epoch", "epoch/*")
        define_metric(axis)
        define_metric(metrics, step_metric=axis)

    def on_epoch_end(self, epoch: int, logs: Optional[dict] = None) -> None:
        self._log("epoch", logs, {"epoch/epoch": epoch})

    def on_train_batch_end(self, batch: int, logs: Optional[dict] = None) -> None:
        self._step += 1
        if self._every and batch % self._every == 0:
            self._log("batch", logs, {"batch/batch_step": self._logged_batches})
            self._logged_batches += self._every

    def _log(self, where: str, logs: Optional[dict], axis: dict) -> None:
        row = {f"{where}/{key}": value for key, value in (logs or {}).items()}
        row.update(axis)
        rate = self._learning_rate()
        if rate is not None:
            row[f"{where}/learning_rate"] = rate
        log(row)

    def _learning_rate(self) -> Optional[float]:
        rate: Any = getattr(self.model.optimizer, "learning_rate", None)
        try:
            return float(rate(self._step) if callable(rate) and not hasattr(rate, "numpy") else rate)
        except Exception as e:
            say_once("warning", f"the learning rate can't be read ({type(e).__name__}), and is not logged")
            return None
