"""What W&B's server holds of a run, and the rules by which it takes data. No HTTP here: see strict_server.py.

Everything that a client must not do raises Breach, and changes nothing. Rules and limits are those that
wandb-core keeps to (0.31.0), not all that W&B's server would let pass.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Optional

HISTORY, EVENTS, SUMMARY, CONSOLE = (
    "wandb-history.jsonl",
    "wandb-events.jsonl",
    "wandb-summary.json",
    "output.log",
)
MAX_LINE_BYTES = (10 << 20) - (100 << 10)  # of one line
MAX_LINES_BYTES = 10 << 20  # of a request's lines together, the summary apart

_REQUEST_MEMBERS = {"files", "uploaded", "preempting", "complete", "exitcode"}
_TEXTS = {
    "displayName": "display_name", "groupName": "group", "jobType": "job_type", "notes": "notes",
    "host": "host", "program": "program", "repo": "repo", "commit": "commit", "sweep": "sweep",
}  # fmt: skip


class Breach(Exception):
    """Something that a client must not do. status: of the HTTP answer."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


def strict_json(text: Any) -> Any:
    """Parses JSON that must not hold NaN or infinities. Raises Breach."""

    def refuse(token: str) -> None:
        raise ValueError(f"the bare token {token}")

    try:
        return json.loads(text, parse_constant=refuse)
    except (TypeError, ValueError) as error:
        raise Breach(f"not JSON: {error}") from None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


@dataclass
class Run:
    """One run as the server holds it. Texts that were never given are None."""

    entity: str
    project: str
    id: str
    display_name: Optional[str] = None
    group: Optional[str] = None
    job_type: Optional[str] = None
    notes: Optional[str] = None
    host: Optional[str] = None
    program: Optional[str] = None
    repo: Optional[str] = None
    commit: Optional[str] = None
    sweep: Optional[str] = None
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)  # as sent: key -> {"value": value}, with "_wandb"
    upserts: list[dict[str, Any]] = field(default_factory=list)  # the variables of each UpsertBucket
    streams: dict[str, dict[int, str]] = field(default_factory=dict)  # stream -> line number -> line
    requested: set[str] = field(default_factory=set)  # files that an upload was asked for
    files: dict[str, bytes] = field(default_factory=dict)  # files that were uploaded
    reported: list[str] = field(default_factory=list)  # files that the stream reported as uploaded
    exit_codes: list[int] = field(default_factory=list)  # one for each completion
    alerts: list[dict[str, Any]] = field(default_factory=list)  # the variables of each alert
    preempting: bool = False
    stopped: bool = False  # somebody has pressed Stop at its page
    complete: bool = False
    completion: Any = None  # the request that completed it

    def lines(self, stream: str) -> list[str]:
        """A stream's lines in their order."""
        return [line for _, line in sorted(self.streams.get(stream, {}).items())]

    def _objects(self, stream: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines(stream)]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """History: nested as it was sent, NaN and infinities as floats."""
        return self._objects(HISTORY)

    @property
    def events(self) -> list[dict[str, Any]]:
        """System metrics."""
        return self._objects(EVENTS)

    @property
    def summary(self) -> dict[str, Any]:
        """The newest summary; {} if none was sent."""
        return (self._objects(SUMMARY) or [{}])[-1]

    @property
    def console(self) -> list[str]:
        """Console lines, with the time in front."""
        return self.lines(CONSOLE)

    @property
    def user_config(self) -> dict[str, Any]:
        """The config's values without W&B's own part."""
        return {key: item["value"] for key, item in self.config.items() if key != "_wandb"}

    @property
    def exit_code(self) -> Optional[int]:
        """The newest completion's; None while the run goes on."""
        return self.exit_codes[-1] if self.complete else None

    @property
    def state(self) -> str:
        """running, finished or failed."""
        return "running" if not self.complete else "failed" if self.exit_code else "finished"

    @property
    def storage_id(self) -> str:
        """The id under which GraphQL knows the run."""
        return f"storage:{self.entity}:{self.project}:{self.id}"

    # --- GraphQL ---

    def upsert(self, variables: dict[str, Any]) -> None:
        """Creates or changes the run; what is null stays. A run that was complete goes on. Raises Breach."""
        config, tags = variables.get("config"), variables.get("tags")
        if config is not None:
            config = strict_json(config)
            if not isinstance(config, dict):
                raise Breach(f"run {self.id}: a config that is no object")
            for key, item in config.items():
                if not isinstance(item, dict) or "value" not in item:
                    raise Breach(f"run {self.id}: config {key!r} has no value")
            self.config = config
        if tags is not None:
            if not all(isinstance(tag, str) and 1 <= len(tag) <= 64 for tag in tags):
                raise Breach(f"run {self.id}: a tag that is empty or longer than 64 characters in {tags}")
            self.tags = list(tags)
        for variable, attribute in _TEXTS.items():
            if variables.get(variable) is not None:
                setattr(self, attribute, variables[variable])
        self.upserts.append(variables)
        self.complete = False

    def bucket(self) -> dict[str, Any]:
        """The run as GraphQL shows it, for all questions that wandb-core asks."""
        project = {
            "id": f"project:{self.project}", "name": self.project,
            "entity": {"id": f"entity:{self.entity}", "name": self.entity},
        }  # fmt: skip
        own = self.config.get("_wandb", {}).get("value", {})
        return {
            "id": self.storage_id, "name": self.id, "displayName": self.display_name or self.id,
            "description": None, "notes": self.notes, "tags": self.tags, "sweepName": self.sweep,
            "project": project, "config": json.dumps(self.config),
            "wandbConfig": json.dumps({"t": own["t"]} if "t" in own else {}),
            "summaryMetrics": (self.lines(SUMMARY) or ["{}"])[-1],
            "historyLineCount": len(self.lines(HISTORY)), "historyTail": json.dumps(self.lines(HISTORY)[-1:]),
            "eventsLineCount": len(self.lines(EVENTS)), "eventsTail": json.dumps(self.lines(EVENTS)[-1:]),
            "logLineCount": len(self.lines(CONSOLE)), "stopped": self.stopped,
        }  # fmt: skip

    # --- file stream ---

    def stream(self, body: Any) -> None:
        """Takes the body of one file_stream request, whole or not at all. Raises Breach."""
        if not isinstance(body, dict) or not body.keys() <= _REQUEST_MEMBERS:
            raise Breach(f"run {self.id}: a request that is not of the file stream: {str(body)[:200]}")
        if self.complete and body == self.completion:
            return  # a client that did not get the answer sends its last request again
        if self.complete:
            raise Breach(f"run {self.id}: {sorted(body)} after its completion")
        bytes_of_lines = 0
        for name, part in body.get("files", {}).items():
            size = self._check_part(name, part)
            bytes_of_lines += 0 if name == SUMMARY else size
        if bytes_of_lines > MAX_LINES_BYTES:
            raise Breach(f"run {self.id}: {bytes_of_lines} bytes of lines in one request", 413)
        absent = set(body.get("uploaded", [])) - self.files.keys()
        if absent:
            raise Breach(f"run {self.id}: reported as uploaded, but not here: {sorted(absent)}")
        if ("complete" in body) != ("exitcode" in body):
            raise Breach(f"run {self.id}: only one of complete and exitcode")
        if "complete" in body:
            if body["complete"] is not True or not _is_count(body["exitcode"]):
                raise Breach(f"run {self.id}: complete {body['complete']!r} with {body['exitcode']!r}")
            if self.requested - self.files.keys():
                raise Breach(f"run {self.id}: complete before {sorted(self.requested - self.files.keys())}")

        for name, part in body.get("files", {}).items():
            self.streams.setdefault(name, {}).update(enumerate(part["content"], part["offset"]))
        self.reported += body.get("uploaded", [])
        self.preempting = self.preempting or bool(body.get("preempting"))
        if "complete" in body:
            self.complete = True
            self.completion = body
            self.exit_codes.append(body["exitcode"])

    def _check_part(self, name: str, part: Any) -> int:
        """Checks the lines of one stream. Gives their bytes. Raises Breach."""
        where = f"run {self.id}: {name}"
        if name not in (HISTORY, EVENTS, SUMMARY, CONSOLE):
            raise Breach(f"{where} is no stream of a run")
        if not isinstance(part, dict) or part.keys() != {"offset", "content"} or not _is_count(part["offset"]):
            raise Breach(f"{where}: not offset and content: {str(part)[:200]}")
        held, total = self.streams.get(name, {}), 0
        if part["offset"] > len(held):
            raise Breach(f"{where} has a gap: {len(held)} lines are here, line {part['offset']} was sent")
        for number, line in enumerate(part["content"], part["offset"]):
            if not isinstance(line, str):
                raise Breach(f"{where} line {number} is no text")
            size = len(line.encode())
            total += size
            if size > MAX_LINE_BYTES:
                raise Breach(f"{where} line {number} has {size} bytes", 413)
            if name in (HISTORY, EVENTS) and held.get(number, line) != line:
                raise Breach(f"{where} line {number} was sent again with other content")
            if name != CONSOLE:
                _check_object(f"{where} line {number}", line)
        return total


def _check_object(where: str, line: str) -> None:
    """A line of history, events or summary is a JSON object, `_step` in it an integer. Raises Breach."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise Breach(f"{where} is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise Breach(f"{where} is no object")
    if not _is_count(row.get("_step", 0)):
        raise Breach(f"{where} has the step {row['_step']!r}")


def check_names(project: str, run_id: str) -> None:
    """W&B's rules for names. Raises Breach."""
    if not run_id or len(run_id) > 64 or run_id != run_id.strip() or re.search(r"[:;,#?/']", run_id):
        raise Breach(f"not a run id: {run_id!r}")
    if not project or len(project) > 128 or re.search(r"[/\\#?%:]", project):
        raise Breach(f"not a project's name: {project!r}")
