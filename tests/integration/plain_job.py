"""A job of JSON files only, which brings no code of its own: a site loads what its list of classes allows."""

import json
from pathlib import Path

_SERVER = {
    "format_version": 2,
    "workflows": [
        {
            "id": "controller",
            "path": "nvflare.app_common.workflows.fedavg.FedAvg",
            "args": {"num_clients": 2, "num_rounds": 1},
        }
    ],
    "components": [
        {"id": "persistor", "path": "nvflare.app_common.np.np_model_persistor.NPModelPersistor"},
        {
            "id": "receiver",
            "path": "flarebridge.receiver.BridgeReceiver",
            "args": {"mode": "offline", "wandb_args": {"name": "plain", "project": "tests", "job_type": "train"}},
        },
    ],
}
_CLIENT = {
    "format_version": 2,
    "executors": [{"tasks": ["train"], "executor": {"path": "nvflare.app_common.np.np_trainer.NPTrainer"}}],
    "components": [{"id": "forwarder", "path": "flarebridge.forwarder.BridgeForwarder"}],
}


def write_plain_job(folder: Path) -> Path:
    """Gives the job's folder."""
    job = folder / "plain"
    config = job / "app" / "config"
    config.mkdir(parents=True)
    (config / "config_fed_server.json").write_text(json.dumps(_SERVER))
    (config / "config_fed_client.json").write_text(json.dumps(_CLIENT))
    meta = {"name": "plain", "resource_spec": {}, "min_clients": 2, "deploy_map": {"app": ["@ALL"]}}
    (job / "meta.json").write_text(json.dumps(meta))
    return job
