"""The run of a script: what wandb.init() gives. Any thread; nothing that logs waits or raises."""

import glob
import os
import shlex
import threading
from collections.abc import Mapping
from typing import Any, Optional, Union

from ..forks import forget_in_child
from ..sampling import OFF, begin
from . import exits
from .configuration import Config
from .console import Console
from .definitions import Metric, definition
from .errors import UsageError
from .files import name_below, saved_file
from .last_values import GONE, Summary
from .media import Chart, media_of
from .odd import Odd
from .run_facts import Plan, RunFacts
from .terminal import is_true, say, say_once
from .values import PLAIN, row_value, summary_value
from .watching import Watching


class Run(RunFacts):
    """W&B's Run, as far as it goes here (python_shim/README.md of the project)."""

    def __init__(self, plan: Plan, sink: Any, config: dict):
        """`config` is in the run already."""
        self._plan, self._sink = plan, sink
        self._settings = plan.settings
        self._lock = threading.RLock()  # a signal handler may log in the middle of a log call
        self._step = plan.first_step
        self._odd = Odd()
        self._watching = Watching(self._odd, lambda key, graph: self.summary.update({key: graph}))
        self._pending = self._watching.pending
        self._over = False
        self._pid = os.getpid()
        self._name, self._notes = plan.settings.run_name, plan.settings.run_notes
        self._tags = tuple(plan.settings.run_tags)
        self.config = Config(self._config_changed)
        self.config._items.update(config)
        self.summary = Summary(self._summary_changed)
        self._console: Optional[Console] = None
        if _is_captured(plan):
            self._console = Console(self._line)
            self._console.begin()
        self._sampling = OFF
        if plan.home == "script":  # in a job, the job says how a run ends, and whether its machine is measured
            exits.finish_at_exit(self)
            measured = not plan.settings.x_disable_stats
            self._sampling = begin(self._sample, plan.settings.x_stats_sampling_interval if measured else 0.0)
        forget_in_child(self)

    # --- logging ---

    def log(
        self, data: Any, step: Optional[int] = None, commit: Optional[bool] = None, sync: Optional[bool] = None
    ) -> None:
        """A row, or a part of one, by W&B's rules for steps.

        Without `step` the call completes the row of run.step, unless commit=False. With one the row stays open for
        what is logged at the same step. A lower step than run.step, which W&B's client ignores, is kept, in a row of
        its own that tells its step. `sync` is of older clients and says nothing.
        """
        try:
            self._log(data, step, commit)
        except Exception as e:  # a row is never worth a training
            self._odd("log()", f"{type(e).__name__}: {e}; the call is left out")

    def _log(self, data: Any, step: Any, commit: Optional[bool]) -> None:
        if type(data) is not dict:
            if not isinstance(data, Mapping):
                self._odd("log()", f"takes a dict, not {type(data).__name__}; the call is left out")
                return
            data = dict(data)
        if self._over or not self.is_this_process:
            self._refuse("log")
            return
        row, media = data, ()
        for key, value in data.items():
            if type(value) not in PLAIN or type(key) is not str or not key:
                row, media = self._parts(data, ())
                break
        if self._pending:
            row = {**self._take_pending(), **row}
        media = [(name, self._sink.frozen(value)) for name, value in media]  # a large one is copied meanwhile
        with self._lock:
            at, commit = self._place(step, commit)
            if row or not media:
                self._sink.send("METRICS", "metrics", row, at)
            for name, value in media:
                if value is not None:
                    self._sink.send("MEDIA", name, value, at)
            self.summary.note(row)
            if commit and at == self._step:
                self._step = at + 1

    def _take_pending(self) -> dict:
        with self._lock:
            found = dict(self._pending)
            self._pending.clear()
        return found

    def _place(self, step: Any, commit: Optional[bool]) -> tuple:
        """The row's step, and whether it is complete. Under the lock."""
        if step is None:
            return self._step, commit is None or commit
        try:
            at = int(step)
            if at < 0 or at >= 1 << 63 or at != step:
                raise ValueError("a step is a whole number from 0 on")
        except Exception:
            self._odd("step", f"{str(step)[:50]!r} is no whole number from 0 on: the row goes to step {self._step}")
            return self._step, commit is None or commit
        if at < self._step:
            say_once(
                "warning",
                f"a row of step {at} came behind one of step {self._step}: such rows are kept, each beside the others"
                " with its own step; log a metric of its own and define_metric() for other axes",
            )
        else:
            self._step = at
        return at, bool(commit)

    def _parts(self, data: dict, around: tuple) -> tuple:
        """What is data as a row, and what are media, each by its name with the dicts around it."""
        row: dict = {}
        media: list = []
        for key, value in list(data.items()):
            key = key if type(key) is str else self._named(key)
            if not key:
                continue
            if type(value) in PLAIN:
                row[key] = value
                continue
            chart = value if isinstance(value, Chart) else None
            found = media_of(chart.table if chart else value, self._odd, key, self._sink.room)
            if chart:
                name = ".".join((*around, key))
                if found:
                    media.append((chart.table_key(name), {**found, "chart": chart.as_value(name)}))
            elif found is not None:
                if found:
                    media.append((key, {**found, **({"in": list(around)} if around else {})}))
            elif isinstance(value, dict) and value and len(around) < 8:
                inner, more = self._parts(value, (*around, key))
                media += more
                if inner:
                    row[key] = inner
            elif not (isinstance(value, Mapping) and not value):
                row[key] = row_value(value, key, self._odd)
        return row, media

    def _named(self, key: Any) -> str:
        self._odd("log()", f"a key is a {type(key).__name__}; it became a text")
        return str(key)

    def define_metric(
        self,
        name: str,
        step_metric: Union[str, Metric, None] = None,
        step_sync: Optional[bool] = None,
        hidden: Optional[bool] = None,
        summary: Optional[str] = None,
        goal: Optional[str] = None,
        overwrite: Optional[bool] = None,
    ) -> Metric:
        """As W&B's; `goal` and the summary "best", which its client had once, are taken. Raises Error."""
        metric = definition(name, step_metric, step_sync, hidden, summary, goal, overwrite)
        self._operate(metric.name, metric.as_value())
        return metric

    def alert(self, title: str, text: str, level: Any = None, wait_duration: Any = None) -> None:
        """A message to whoever is to be told. `wait_duration`: seconds or a timedelta until the next of this title."""
        seconds = 60.0 if wait_duration is None else wait_duration
        seconds = seconds.total_seconds() if hasattr(seconds, "total_seconds") else float(seconds)
        level = str(getattr(level, "value", level) or "INFO").upper()
        if level not in ("INFO", "WARN", "ERROR"):
            raise UsageError(f"alert() has level = {level!r}; it must be INFO, WARN or ERROR")
        value = {"op": "alert", "text": str(text), "level": level, "wait_duration_ms": int(seconds * 1000)}
        self._operate(str(title), value)

    def save(self, glob_str: Any = None, base_path: Any = None, policy: str = "live") -> list:
        """Files as they are now, whatever `policy` says. Gives the names that they have."""
        saved: list = []
        if self._over or not self.is_this_process:
            self._refuse("save")
            return saved
        pattern = os.fspath(glob_str) if glob_str is not None else ""
        for path in sorted(glob.glob(pattern.decode() if isinstance(pattern, bytes) else pattern)):
            name = name_below(path, base_path)
            if self._save(path, name):
                saved.append(name)
        return saved

    def _save(self, path: str, name: str) -> bool:
        content = saved_file(path, self._odd, self._sink.room.takes_large)
        if content is None:
            return False
        if isinstance(content, str):
            self._sink.send("TEXT", "text", content, path=name)
            return True
        frozen = self._sink.frozen({"op": "save", "data": content})
        if frozen is None:
            return False
        self._operate(name, frozen)
        return True

    def watch(
        self,
        models: Any,
        criterion: Any = None,
        log: Optional[str] = "gradients",
        log_freq: int = 1000,
        idx: Optional[int] = None,
        log_graph: bool = False,
    ) -> list:
        """Histograms of a torch model's gradients or parameters, in the row that is logged next.

        With `log_graph` its layers, as they run for the first time, are in the summary. `criterion` says nothing here.
        """
        return self._watching.watch(models, log, log_freq, idx, log_graph)

    def unwatch(self, models: Any = None) -> None:
        """Takes the hooks of watch() away."""
        self._watching.unwatch(models)

    def log_code(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: a script's code stays where it is."""
        say_once("info", "log_code() does nothing here: no code leaves the machine")

    def _label(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: libraries name themselves here to W&B."""

    def describe(self, said: dict) -> None:
        """Name, notes, group, job_type and tags of a run that was begun by others."""
        self._operate("run", {"op": "run", **said})

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"flarebridge's Run has no {name!r} yet: artifacts, tables, models and sweeps are not there"
        )

    # --- its end ---

    def finish(self, exit_code: Optional[int] = None, quiet: Optional[bool] = None) -> None:
        """Returns when all that was logged is on disk; uploading goes on behind it."""
        self._finish(0 if exit_code is None else int(exit_code), "")

    join = finish

    def finish_at_exit(self, exit_code: int, reason: str) -> None:
        """The script ends."""
        self._finish(exit_code, reason)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> bool:
        self._finish(0 if kind is None else 1, "" if kind is None else f"{kind.__name__}: {value}"[:1000])
        return False

    @property
    def is_over(self) -> bool:
        return self._over

    @property
    def is_this_process(self) -> bool:
        """False in a forked child."""
        return self._pid == os.getpid()

    def forget_in_child(self) -> None:
        """A forked child's rows are not taken: the link is its parent's."""
        self._lock = threading.RLock()

    def _finish(self, exit_code: int, reason: str) -> None:
        with self._lock:
            if self._over or not self.is_this_process:
                return
            self._over = True
        exits.forget(self)
        self._sampling.end()
        self._watching.unwatch()
        if self._console is not None:
            self._console.end()
        ended = self._sink.end(exit_code, reason)
        self._odd.tell()
        if ended.lost:
            say("warning", f"run {self.id}: {ended.lost} of its events are lost: {ended.why}")
        if self._plan.home == "script" and self._plan.mode == "offline":
            say("info", f"upload run {self.id} with: flarebridge sync {shlex.quote(os.path.dirname(self.dir))}")

    # --- parts of the above ---

    def _refuse(self, call: str) -> None:
        if not self.is_this_process:
            say_once(
                "warning", "a forked child logs nothing into its parent's run; call init() in it for one of its own"
            )
        else:
            say_once(
                "warning",
                f"Run ({self.id}) is finished. The call to `{call}` will be ignored. Please make sure that you are"
                " using an active run.",
            )

    def _operate(self, tag: str, value: dict) -> None:
        if self._over or not self.is_this_process:
            self._refuse(str(value["op"]))
            return
        with self._lock:
            self._sink.send("OPERATION", tag, value)

    def _config_changed(self, found: dict) -> None:
        if self._over or not self.is_this_process:
            self._refuse("config")
            return
        with self._lock:
            self._sink.send("PARAMETERS", "config", found)

    def _summary_changed(self, path: tuple, value: Any) -> Any:
        """Of a value inside of a dict the whole dict is sent: the summary's keys are the outermost."""
        key = path[0] if type(path[0]) is str else str(path[0])
        if value is GONE and len(path) == 1:
            self._operate(key, {"op": "summary_delete"})
            return None
        if len(path) == 1:
            media = media_of(value, self._odd, key, self._sink.room)
            if media is not None:
                frozen = self._sink.frozen({"op": "summary", "value": media}) if media else None
                if frozen is not None:
                    self._operate(key, frozen)
                return value
        if value is not GONE:
            value = summary_value(value, key, self._odd)
        whole = value
        if len(path) > 1:
            whole = _with(self.summary.as_dict().get(key), path[1:], value)
        self._operate(key, {"op": "summary", "value": whole})
        return value

    def _sample(self, values: dict) -> bool:
        """How busy this machine is: in a thread of sampling.py. Those who share a run are told apart as by W&B's."""
        end = f"/l:{self._plan.label}" if self._plan.label else ""
        items = {name + end: value for name, value in values.items()}
        self._sink.send("OPERATION", "system", {"op": "stats", "items": items})
        return True

    def _line(self, line: str) -> None:
        if line.strip():
            # As W&B's client has it (core/internal/runconsolelogs/filestreamwriter.go at 0.31).
            label = f"[{self._plan.label}] " if self._plan.label else ""
            self._sink.send("LOG_RECORD", "console", label + line)


class RunDisabled(Run):
    """W&B's name for the run of a mode that logs nowhere; such a run is a Run here."""


def _with(held: Any, path: tuple, value: Any) -> dict:
    """The dict with another value at the path."""
    found = dict(held) if isinstance(held, Mapping) else {}
    if len(path) > 1:
        found[path[0]] = _with(found.get(path[0]), path[1:], value)
    elif value is GONE:
        found.pop(path[0], None)
    else:
        found[path[0]] = value
    return found


def _is_captured(plan: Plan) -> bool:
    """What is printed goes into the run: of a script unless it says no, of a site's script if it says so."""
    said = str(plan.settings.console or "auto").lower()
    if plan.home == "nowhere" or said in ("off", "false", "0"):
        return False
    return plan.home == "script" or said in ("wrap", "wrap_raw", "wrap_emu", "redirect") or is_true(said)
