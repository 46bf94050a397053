"""A job that logs as fast as it can on every site: the load under which NVFlare's own channel loses most.

usage: job.py --folder DIR [options]; see --help. Needs numpy, not torch, and runs on NVFlare 2.5 to 2.9.
"""

import argparse
import json
import os
import shlex
import sys
import types
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True, help="workspace, values and all else go here")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--count", type=int, default=300, help="records per site and round")
    writers = ["tensorboard", "wandb", "mlflow", "bridge", "bridge_elsewhere", "mixed", "kinds", "odd", "facade"]
    parser.add_argument("--writer", default="bridge", choices=writers)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two records")
    parser.add_argument("--external", action="store_true", help="training in a process of its own")
    parser.add_argument("--tracking", type=json.loads, default={}, help="arguments of add_tracking")
    ways = ["add_tracking", "analytics_receiver", "registry", "registry_clients", "by_hand"]
    parser.add_argument("--added_by", default="add_tracking", choices=ways, help="how the receiver gets into the job")
    parser.add_argument("--wandb_receiver", action="store_true", help="NVFlare's WandBReceiver beside ours")
    parser.add_argument("--server_logs", action="store_true", help="the server logs a record of its own")
    parser.add_argument("--forger", action="store_true", help="site-1 also sends records under the name of site-2")
    parser.add_argument("--counting_at_clients", action="store_true", help="one on each client, for local events")
    parser.add_argument("--counting", action="store_true", help="a receiver that counts what NVFlare's channel brings")
    parser.add_argument("--export", default=None, help="writes the job there and does not run it")
    return parser.parse_args()


def make_job(arguments: argparse.Namespace):
    from flarebridge import BridgeReceiver, add_tracking
    from nvflare.app_common.np.np_model_persistor import NPModelPersistor
    from nvflare.app_common.workflows.fedavg import FedAvg
    from nvflare.job_config.api import FedJob
    from nvflare.job_config.script_runner import FrameworkType, ScriptRunner

    folder = Path(arguments.folder).resolve()
    wandb_args = {"name": "burst", "project": "tests"}
    if arguments.added_by == "analytics_receiver":
        job = make_base_job(BridgeReceiver(wandb_args=wandb_args))
    else:
        job = FedJob(name="burst")
    job.to(FedAvg(num_clients=arguments.clients, num_rounds=arguments.rounds), "server")
    job.to(NPModelPersistor(), "server", id="persistor")
    script_args = ["--values", str(folder / "values"), "--count", str(arguments.count)]
    script_args += ["--writer", arguments.writer, "--pause", str(arguments.pause)]
    for number in range(1, arguments.clients + 1):
        runner = ScriptRunner(
            script="client.py",
            script_args=shlex.join(script_args),
            launch_external_process=arguments.external,
            command=f"{sys.executable} -u",
            framework=FrameworkType.NUMPY,
        )
        job.to(runner, f"site-{number}")
    if arguments.server_logs:
        from server_logger import ServerLogger

        job.to(ServerLogger(), "server", id="server_logger")
    if arguments.forger:
        from forger import Forger

        job.to(Forger("site-2"), "site-1", id="forger")
    if arguments.counting:
        from counting_receiver import CountingReceiver

        job.to(CountingReceiver(str(folder / "counted.jsonl")), "server", id="counting")
    if arguments.counting_at_clients:
        from counting_receiver import CountingReceiver

        for number in range(1, arguments.clients + 1):
            counting = CountingReceiver(str(folder / f"counted-site-{number}.jsonl"), events=["analytix_log_stats"])
            job.to(counting, f"site-{number}", id="counting")
    if arguments.wandb_receiver:
        from nvflare.app_opt.tracking.wandb.wandb_receiver import WandBReceiver

        theirs = {"name": "burst", "project": "tests", "job_type": "train", "dir": str(folder / "theirs")}
        (folder / "theirs").mkdir(exist_ok=True)
        job.to(WandBReceiver(wandb_args=theirs), "server", id="wandb_receiver")
    given = dict(arguments.tracking)
    if arguments.added_by == "add_tracking":
        add_tracking(job, wandb_args={**wandb_args, **given.pop("wandb_args", {})}, **given)
    elif arguments.added_by == "by_hand":
        add_by_hand(job, {**wandb_args, "name": "FedAvg"})  # a class of NVFlare's, too
    elif arguments.added_by.startswith("registry"):
        add_by_registry(job, wandb_args, client_side=arguments.added_by == "registry_clients")
    return job


def make_base_job(receiver):
    """A job of NVFlare's BaseFedJob, which takes a receiver and converts its clients' events."""
    from nvflare.job_config.base_fed_job import BaseFedJob

    return BaseFedJob(name="burst", analytics_receiver=receiver)


def add_by_hand(job, wandb_args: dict) -> None:
    """Component by component, as a job of its author's own has them."""
    from flarebridge import BridgeForwarder, BridgeReceiver

    job.to_server(BridgeReceiver(wandb_args=wandb_args), id="tracking")
    for site in job.clients:
        job.to(BridgeForwarder(), site, id="to_the_server")


def add_by_registry(job, wandb_args: dict, client_side: bool) -> None:
    """By NVFlare's own add_experiment_tracking, which knows of flarebridge as soon as that is imported."""
    from nvflare.app_common.widgets.convert_to_fed_event import ConvertToFedEvent
    from nvflare.recipe.utils import add_experiment_tracking

    def add_to_clients(component, clients=None, id=None):
        for site in clients or job.clients:
            job.to(component, site, id=id)

    if not client_side:
        add_to_clients(ConvertToFedEvent(events_to_convert=["analytix_log_stats"]), id="event_to_fed")
    recipe = types.SimpleNamespace(job=job, _job=job, _add_to_client_apps=add_to_clients)
    config = {"wandb_args": wandb_args}
    add_experiment_tracking(recipe, "flarebridge", config, client_side=client_side, server_side=not client_side)


def main() -> None:
    arguments = parse_arguments()
    folder = Path(arguments.folder).resolve()
    sys.path[:0] = [str(_HERE), str(_HERE.parent)]
    os.chdir(_HERE)  # NVFlare finds client.py here
    job = make_job(arguments)
    exported = Path(arguments.export or folder / "jobs")
    job.export_job(str(exported))
    if not arguments.export:
        sites = [f"site-{number}" for number in range(1, arguments.clients + 1)]
        sys.exit(simulate(exported / "burst", folder / "workspace", sites, arguments.threads or len(sites)))


def simulate(job: Path, workspace: Path, sites: list[str], threads: int) -> int:
    """Runs an exported job in NVFlare's simulator. Gives its exit status."""
    sys.path.append(str(_HERE.parent))
    from nvflare.private.fed.app.simulator.simulator_runner import SimulatorRunner
    from simulator_ports import keep_workers_apart

    keep_workers_apart()
    runner = SimulatorRunner(job_folder=str(job), workspace=str(workspace), clients=",".join(sites), threads=threads)
    return runner.run() or 0


if __name__ == "__main__":
    main()
