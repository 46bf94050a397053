"""Trains a little with another library, which logs by its own callback for W&B, in the working folder.

usage: callback_scripts.py sdk|ours NAME
"""

import sys


def lightning() -> None:
    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.loggers import WandbLogger

    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.save_hyperparameters({"lr": 0.1, "layers": [1, 2], "inner": {"deep": True}})
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch, _number):
            loss = self.layer(batch[0]).pow(2).mean()
            self.log("train/loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch, number):
            self.log("val/loss", self.layer(batch[0]).mean())
            self.log_dict({"val/n": float(number), "val/one": 1.0})

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    pl.seed_everything(7, verbose=False)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.rand(32, 4)), batch_size=4)
    logger = WandbLogger(project="lightning", name="small", id="pl", offline=True, tags=["a"])
    logger.experiment.config["mine"] = 3
    trainer = pl.Trainer(
        max_epochs=3, logger=logger, log_every_n_steps=2, accelerator="cpu", enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    model = Model()
    trainer.fit(model, data, data)
    logger.experiment.summary["done"] = True


def transformers() -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

    set_seed(7)
    config = BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=16,
    )  # fmt: skip
    rows = [{"input_ids": torch.arange(8) % 20, "labels": torch.tensor(number % 2)} for number in range(16)]
    arguments = TrainingArguments(
        output_dir="out", num_train_epochs=2, per_device_train_batch_size=4, logging_steps=2, eval_strategy="epoch",
        save_strategy="no", report_to=["wandb"], run_name="small", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    Trainer(model=model, args=arguments, train_dataset=rows, eval_dataset=rows).train()


def accelerate() -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True, log_with="wandb")
    accelerator.init_trackers("accelerated", config={"lr": 0.1}, init_kwargs={"wandb": {"tags": ["a", "b"]}})
    for step in range(5):
        accelerator.log({"loss": 1 / (step + 1)}, step=step)
    accelerator.end_training()


def keras() -> None:
    import os

    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy as np
    import wandb
    from wandb.integration.keras import WandbMetricsLogger

    keras.utils.set_random_seed(7)
    for log_freq in ("epoch", 2):
        wandb.init(project="keras", id=f"keras-{log_freq}")
        model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(learning_rate=0.25), loss="mse")
        xs = np.ones((16, 4), "float32")
        told = model.fit(xs, xs[:, :1], batch_size=4, epochs=3, verbose=0, callbacks=[WandbMetricsLogger(log_freq)])
        wandb.summary["told"] = told.history["loss"]
        wandb.finish()


SCRIPTS = {"lightning": lightning, "transformers": transformers, "accelerate": accelerate, "keras": keras}


if __name__ == "__main__":
    if sys.argv[1] == "ours":
        import flarebridge.wandb

        flarebridge.wandb.install()
    SCRIPTS[sys.argv[2]]()
    import wandb

    wandb.finish()
