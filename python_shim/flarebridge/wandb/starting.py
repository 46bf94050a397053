"""wandb.init(): where the run is at home, what it is called, and what it begins with."""

import json
import os
import subprocess
import tempfile
import time
from typing import NamedTuple, Optional

from ..bridge_process import BridgeUnavailable, find_binary
from ..events import EventRejected
from .claims import Claim
from .configuration import as_dict, defaults_of_the_folder
from .errors import UsageError
from .folders import run_folders, wandb_folder
from .keys import has_key
from .run_facts import Plan
from .scripts_run import Run
from .settings import Settings, new_id, settings_of
from .sink import Nowhere, OfASite, Sink, Standalone, is_in_a_job
from .terminal import say, say_once
from .values import config_value

_SHOW = 30.0  # seconds that reading a run's log may take, where it is resumed

# Arguments of init, and the fields of Settings that they are.
_FIELDS = {
    "project": "project", "entity": "entity", "dir": "root_dir", "id": "run_id", "name": "run_name",
    "notes": "run_notes", "tags": "run_tags", "group": "run_group", "job_type": "run_job_type", "mode": "mode",
    "resume": "resume", "reinit": "reinit",
}  # fmt: skip
# They change nothing here.
_WITHOUT_EFFECT = (
    "force", "save_code", "tensorboard", "sync_tensorboard", "monitor_gym", "anonymous", "magic", "allow_val_change",
)  # fmt: skip
_UNSUPPORTED = ("resume_from", "fork_from")


class Active(NamedTuple):
    """What init gives, and whether it is a run that was there before."""

    run: Run
    is_new: bool


def start(active: Optional[Run], arguments: dict) -> Active:
    """A run of these arguments of init. Raises UsageError for what can't be."""
    config = _config_of(arguments)
    given = {_FIELDS[name]: value for name, value in arguments.items() if name in _FIELDS}
    settings = settings_of(arguments.get("settings"), given)
    _tell_without_effect(arguments)
    reinit = settings.reinit
    if active is not None and not active.is_over and active.is_this_process:
        if reinit in (True, "finish_previous", "true", "True", "1"):
            active.finish()
        elif reinit != "create_new":
            return Active(active, False)
    in_a_job = is_in_a_job()
    if in_a_job and settings.mode != "disabled":
        return Active(_of_a_site(settings, config), True)
    refused = [name for name in _UNSUPPORTED if arguments.get(name) is not None]
    if refused:
        raise UsageError(f"{' and '.join(refused)}: forking and rewinding runs is not supported; resume=... is")
    mode = settings.mode or ("online" if has_key(settings.base_url) else "offline")
    if mode == "disabled":
        plan = Plan(settings, settings.run_id or new_id(), mode, "nowhere", tempfile.gettempdir(), time.time())
        return Active(Run(plan, Nowhere(), config), True)
    return Active(_standalone(settings, mode, config), True)


def _standalone(settings: Settings, mode: str, config: dict) -> Run:
    folder = _folder(settings.root_dir)
    run_id = settings.run_id or new_id()
    claim = Claim(settings, folder, run_id)
    try:
        return _claimed(settings, mode, config, folder, run_id, claim)
    except BaseException:
        claim.let_go()
        raise


def _claimed(settings: Settings, mode: str, config: dict, folder: str, run_id: str, claim: Claim) -> Run:
    found = _earlier(settings, folder, run_id)
    # In a shared run each writer counts its own steps, and says what it knows of the config.
    first_step, held = _read_back(found) if found and not claim.shared else (0, {})
    if settings.mode is None and mode == "offline":
        say_once("info", "no key of W&B's is found (WANDB_API_KEY, ~/.netrc): the run is written offline")
    plan = Plan(settings, run_id, mode, "script", folder, time.time(), bool(found), first_step, claim.label)
    own = {
        "standalone": True, "id": run_id, "mode": mode, "config": config, "project": settings.project,
        "entity": settings.entity, "name": settings.run_name, "group": settings.run_group, "notes": settings.run_notes,
        "job_type": settings.run_job_type, "tags": settings.run_tags,
    }  # fmt: skip
    # Nothing is said where nothing is given: a run that goes on keeps what it has.
    own = {key: value for key, value in own.items() if value not in (None, "", [], {})}
    try:
        sink: Sink = Standalone(folder, run_id, settings.project or "uncategorized", own, claim, _report)
    except EventRejected as e:
        say("error", f"tracking of this run is off: {e}. The script goes on without it.")
        sink = Nowhere()
        claim.let_go()
    if not found and not claim.shared:
        return Run(plan, sink, config)
    run = Run(plan, sink, held)  # what a run that goes on is called from now on is added to it
    run.config.update(config, allow_val_change=True)
    _describe(run, settings)
    return run


def _describe(run: Run, settings: Settings) -> None:
    said = {
        "name": settings.run_name, "notes": settings.run_notes, "group": settings.run_group,
        "job_type": settings.run_job_type, "tags": settings.run_tags,
    }  # fmt: skip
    said = {key: value for key, value in said.items() if value}
    if said:
        run.describe(said)


def _of_a_site(settings: Settings, config: dict) -> Run:
    """The run is the job's: what init says of it is added."""
    rank = os.environ.get("RANK", "")
    if rank.isdigit() and int(rank) > 0:
        say_once("info", f"this process has rank {rank}: rank 0 logs for the site")
        plan = Plan(settings, settings.run_id or new_id(), "disabled", "nowhere", os.getcwd(), time.time())
        return Run(plan, Nowhere(), config)
    theirs = [name for name in ("project", "entity", "run_id", "root_dir", "resume") if getattr(settings, name)]
    theirs += ["x_disable_stats"] if settings.x_disable_stats else []
    if theirs:
        names = ", ".join({"run_id": "id", "root_dir": "dir"}.get(name, name) for name in theirs)
        say_once("warning", f"this script runs in an NVFlare job, and its run is the site's: the job says {names}")
    mode = settings.mode or "offline"
    run = Run(Plan(settings, settings.run_id or new_id(), mode, "site", os.getcwd(), time.time()), OfASite(), {})
    if config:
        run.config.update(config)
    _describe(run, settings)
    return run


def _folder(given: Optional[str]) -> str:
    """Where runs go; a temporary folder where that can't be written, as W&B's client does."""
    folder = os.path.abspath(os.path.expanduser(given or os.getcwd()))
    try:
        os.makedirs(os.path.join(folder, "wandb"), exist_ok=True)
        if os.access(os.path.join(folder, "wandb"), os.W_OK | os.X_OK):
            return folder
        why = "it can't be written"
    except OSError as e:
        why = e.strerror or str(e)
    other = tempfile.mkdtemp(prefix="wandb-")
    say("warning", f"runs can't be written below {folder} ({why}); this one goes to {other}")
    return other


def _earlier(settings: Settings, folder: str, run_id: str) -> str:
    """The folder of the run that goes on; "": it begins. Raises UsageError."""
    how = settings.resume
    how = {True: "allow", False: None, "auto": "allow", "True": "allow"}.get(how, how)
    if how not in (None, "allow", "must", "never"):
        raise UsageError(f"resume = {settings.resume!r}; it must be allow, never, must or auto")
    found = run_folders(folder, run_id) if settings.run_id else []
    if how == "must" and not found:
        raise UsageError(f"resume='must', and run {run_id!r} is not below {wandb_folder(folder)}")
    if not found:
        return ""
    if how == "never":
        raise UsageError(f"resume='never', and run {run_id!r} is there: {found[-1]}")
    if how is None and not settings.shared:
        say("warning", f"run {run_id!r} is there already, and goes on: {found[-1]}")
    return found[-1]


def _read_back(folder: str) -> tuple:
    """The step behind the last row of a run that is on disk, and its config."""
    try:
        shown = subprocess.run(
            [find_binary(), "show", "--json", folder], capture_output=True, timeout=_SHOW, check=True, text=True
        )
        run = json.loads(shown.stdout)
        last = max((int(row.get("_step", -1)) for row in run["rows"]), default=-1)
        return last + 1, {key: value for key, value in run["config"].items() if key != "_wandb"}
    except (BridgeUnavailable, OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as e:
        say("warning", f"{folder} can't be read ({type(e).__name__}): rows begin at step 0 again")
        return 0, {}


def _config_of(arguments: dict) -> dict:
    config = as_dict(arguments.get("config"))
    include, exclude = arguments.get("config_include_keys"), arguments.get("config_exclude_keys")
    if include is not None and exclude is not None:
        raise UsageError("Expected at most only one of exclude or include")
    if include is not None:
        config = {key: value for key, value in config.items() if key in include}
    if exclude is not None:
        config = {key: value for key, value in config.items() if key not in exclude}
    found = {}
    for key, value in {**defaults_of_the_folder(), **config}.items():
        key = str(key).strip("-")
        found[key] = config_value(value, key, _odd)
    return found


def _tell_without_effect(arguments: dict) -> None:
    names = sorted(name for name in _WITHOUT_EFFECT if arguments.get(name))
    if names:
        say_once("warning", f"arguments of init() that change nothing here: {', '.join(names)}")


def _odd(key: str, why: str) -> None:
    say_once("warning", f"config[{key!r}]: {why}")


def _report(level: str, text: str) -> None:
    say(level, text)
