"""What a component on a site asks before anything leaves: the policy that holds there, and the book of what it kept.

The site's own policy is `local/flarebridge.json` in its NVFlare workspace, and the file that FLAREBRIDGE_POLICY names;
a job's arguments can narrow it. For the server only counts are made of what is kept: a name that may not leave is not
told there either.
"""

import contextlib
import json
import os
from typing import Any, Callable, Optional

from nvflare.apis.fl_constant import FedEventHeader
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import ReservedHeaderKey, Shareable

from .audit import FILE, Audit
from .buffer import Report
from .events import TYPE_NAMES, Record, record_of
from .judgement import BY_NAME
from .policy import Policy
from .rules import Rule

VARIABLE = "FLAREBRIDGE_POLICY"
SITE_FILE = "flarebridge.json"
# A note on a record that may not go in NVFlare's own way, which is held back there by whoever comes first.
HELD = "flarebridge_held"
# How the reasons begin by which a site counts for the server what it kept.
KEPT = "values kept by the site's policy"
_MOST_BYTES = 1 << 20  # of a policy's file
# What NVFlare's own way carries of a record (nvflare/apis/analytix.py, AnalyticsData.to_dxo).
_FIELDS = {"track_key", "track_value", "global_step", "path", "analytics_kwargs"}

CountDrop = Callable[[str], None]


class Gate:
    """One way out of a site. Any thread."""

    def __init__(self, policy: Policy, audit: Audit):
        self._audit = audit
        self.policy = policy

    def is_free(self, shareable: dict) -> bool:
        """True if the record leaves as it is, whatever it holds. Raises what makes it no record."""
        data_type = shareable["DXO"]["meta"].get("analytics_data_type")
        return data_type is self.policy.last_free or self.policy.is_free(data_type)

    def judge(self, record: Record, count_drop: CountDrop) -> Optional[Record]:
        """What may leave of a record, or None; what is kept is counted."""
        left, kept = self.policy.judge(record)
        for one in kept:
            self._audit.note(one)
            count_drop(KEPT + (" (by name)" if one.why == BY_NAME else f" (by {one.why}: {one.kind})"))
        return left

    def judge_event(self, event: list, count_drop: CountDrop) -> Optional[list]:
        """The same for an event of a training process, decoded. What can't be judged of it is left out."""
        try:
            return self._left_of_event(event, count_drop)
        except Exception as e:
            count_drop(f"not encodable ({type(e).__name__})")
            return None

    def may_pass_whole(self, shareable: dict) -> bool:
        """True if NVFlare's own way, which knows no parts, may carry the record."""
        try:
            data = shareable["DXO"]["data"]
            path, further = data.get("path"), data.get("analytics_kwargs") or {}
            if not data.keys() <= _FIELDS or further.get("path", path) != path:
                return False
            if self.is_free(shareable):
                return True
            record, _ = record_of(shareable)
            return self.policy.judge(record)[0] is record
        except Exception:
            return False

    def count_held(self, shareable: dict) -> None:
        """Counts for the site what of a record keeps all of it from NVFlare's own way."""
        with contextlib.suppress(Exception):
            self.judge(record_of(shareable)[0], lambda reason: None)

    def write(self) -> None:
        """Brings what was counted into the site's file."""
        self._audit.write()

    def close(self) -> None:
        """At the run's end."""
        self._audit.close()

    def told(self) -> list:
        """What was kept, by name: for the site's own report."""
        return self._audit.told()

    def _left_of_event(self, event: list, count_drop: CountDrop) -> Optional[list]:
        _kind, time, site, code, writer, tag, value, step, path, receivers, extra = (event + [None] * 3)[:11]
        if type(time) not in (int, float) or (step is not None and type(step) is not int):
            count_drop("malformed by a training process")
            return None
        extra = dict(extra) if isinstance(extra, dict) else {}
        data_type = TYPE_NAMES.get(code) or str(extra.get("analytics_data_type") or "unknown")
        if receivers is not None:
            extra["receivers"] = receivers
        path = path if isinstance(path, str) else None
        left = self.judge(Record(data_type, None, tag, value, step, path, extra or None), count_drop)
        if left is None:
            return None
        extra = dict(left.extra or {})
        receivers = extra.pop("receivers", None)
        if data_type not in TYPE_NAMES.values():
            extra["analytics_data_type"] = data_type
        writer = writer if type(writer) is int else 0
        code = code if data_type in TYPE_NAMES.values() else 0
        return [event[0], time, site, code, writer, left.tag, left.value, step, left.path, receivers, extra or None]


def open_gate(fl_ctx: FLContext, job: dict, way: str, report: Report) -> Gate:
    """The gate of a component on a site. `job`: the policy's fields that the job gives; `way`: for the book.

    Raises ValueError with what is wrong: then nothing may leave.
    """
    narrowing = Rule.of(job)
    try:
        workspace = fl_ctx.get_engine().get_workspace()
        local, run_folder = workspace.get_site_config_dir(), workspace.get_run_dir(fl_ctx.get_job_id())
        places = [os.path.join(local, SITE_FILE)]
    except Exception as e:
        raise ValueError(f"NVFlare does not say where the site's policy is ({type(e).__name__}: {e})") from e
    places = [place for place in places if os.path.lexists(place)]
    if os.environ.get(VARIABLE):
        places.append(os.environ[VARIABLE])
    rules = [read_site_rule(place) for place in places] or [Rule.of({}).with_defaults()]
    in_force: dict = {place: _shown(rule) for place, rule in zip(places or ["no policy of the site's"], rules)}
    if narrowing != Rule.of({}):
        in_force["the job"] = _shown(narrowing)
        rules.append(narrowing)
    return Gate(Policy(rules), Audit(os.path.join(run_folder, FILE), way, in_force, report))


def open_gate_of_runs(fl_ctx: FLContext, job: Optional[dict], receivers: dict, report: Report) -> Gate:
    """The gate of runs that are written on the site. W&B runs in `receivers` tell of the machine only if they may.

    Raises ValueError as open_gate does.
    """
    gate = open_gate(fl_ctx, {} if job is None else job, "in the site's runs", report)
    if "wandb" in receivers and "system" not in gate.policy.kinds and receivers["wandb"].get("system") is not False:
        receivers["wandb"]["system"] = False
        report(
            "info", "W&B runs that are written here tell nothing of this machine: 'system' is no kind that may leave it"
        )
    return gate


def hold_back(gate: Optional[Gate], shareable: Any) -> None:
    """What may not leave whole does not leave in NVFlare's own way (ConvertToFedEvent) either. None: nothing may."""
    headers = shareable.setdefault(ReservedHeaderKey.HEADERS, {}) if isinstance(shareable, Shareable) else None
    if not isinstance(headers, dict):
        return  # NVFlare can't send it
    outward = headers.get(FedEventHeader.DIRECTION, "out") == "out"
    if outward and not (gate is not None and gate.may_pass_whole(shareable)):
        headers[FedEventHeader.DIRECTION], headers[HELD] = "in", True


def read_site_rule(path: str) -> Rule:
    """The rule in a site's file. Raises ValueError."""
    try:
        with open(path, "rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise ValueError("it has more than 1 MiB")
        fields = json.loads(text.decode("utf-8"), object_pairs_hook=_once)
        if isinstance(fields, dict) and None in fields.values():
            raise ValueError("a field is null; leave it out if it is to say nothing")
        return Rule.of(fields).with_defaults()
    except (OSError, ValueError, RecursionError) as e:
        raise ValueError(f"the site's policy {path} can't be read: {e}") from e


def _once(pairs: list) -> dict:
    """A field that comes twice would be read in part."""
    found: dict = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is there twice")
        found[name] = value
    return found


def _shown(rule: Rule) -> dict[str, Any]:
    shown = rule._asdict()
    shown["kinds"] = None if rule.kinds is None else sorted(rule.kinds)
    return {name: value for name, value in shown.items() if value is not None}
