"""A small W&B server on this machine, for the real wandb package to upload to.

It speaks as much of W&B's protocol as `wandb sync` and online runs of wandb 0.31 use, keeps what it was
sent, and notes every breach of the protocol that it sees. It is no model of W&B's answers to faults.

    with WandbServer() as server:
        ...  # WANDB_BASE_URL=server.url, WANDB_API_KEY=server.key
        server.runs["my-run"].rows
"""

import base64
import json
import re
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional

_HISTORY, _SUMMARY = "wandb-history.jsonl", "wandb-summary.json"
# W&B's limit of one request (core/internal/filestream).
_MAX_REQUEST = 11 << 20


@dataclass
class Run:
    """What the server holds of one run."""

    name: str  # the run's id
    project: str = ""
    entity: str = "tester"
    display_name: Optional[str] = None
    group: Optional[str] = None
    job_type: Optional[str] = None
    notes: Optional[str] = None
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    streams: dict[str, dict[int, str]] = field(default_factory=dict)  # file -> line number -> line
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: Optional[int] = None

    def lines(self, name: str) -> list[str]:
        """The lines of a stream in their order."""
        return [line for _, line in sorted(self.streams.get(name, {}).items())]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """History rows; NaN and Infinity as floats."""
        return [json.loads(line) for line in self.lines(_HISTORY)]

    @property
    def summary(self) -> dict[str, Any]:
        lines = self.lines(_SUMMARY)
        return json.loads(lines[-1]) if lines else {}

    @property
    def user_config(self) -> dict[str, Any]:
        """The config without W&B's own part."""
        return {key: item["value"] for key, item in self.config.items() if key != "_wandb"}


class WandbServer:
    """See the module. Everything it holds is in `runs` and `violations`."""

    key = "0123456789abcdef0123456789abcdef01234567"  # made up

    def __init__(self):
        self.runs: dict[str, Run] = {}
        self.violations: list[str] = []
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"server_state": self})
        self._http = _HttpServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, name="wandb-server")

    def __enter__(self) -> "WandbServer":
        self._thread.start()
        return self

    def __exit__(self, *_exc) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    # --- what the handler calls, under the lock ---

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The answer's `data`."""
        if "mutation UpsertBucket" in query:
            return self._upsert(variables)
        if "mutation CreateRunFiles" in query:
            base = f"{self.url}/upload/{variables['run']}"
            files = [{"name": name, "uploadUrl": f"{base}/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": variables["run"], "uploadHeaders": [], "files": files}}
        if "RunResumeStatus" in query:
            return {"model": {"id": "project", "name": variables.get("project"), "bucket": None}}
        if "viewer" in query:
            teams = {"edges": [{"node": {"name": "tester"}}]}
            viewer = {
                "id": "viewer",
                "entity": "tester",
                "username": "tester",
                "email": "",
                "flags": "{}",
                "teams": teams,
            }
            return {"viewer": viewer}
        if "serverInfo" in query:
            return {"serverInfo": {"features": [], "cliVersionInfo": {}, "latestLocalVersionInfo": None}}
        if "entity" in query:
            return {"entity": {"organization": None}}
        self.violations.append(f"a query that is not known: {query[:80]}")
        return {}

    def _upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables.get("name") or variables.get("id")
        inserted = name not in self.runs
        run = self.runs.setdefault(name, Run(name))
        names = {
            "project": "project", "entity": "entity", "displayName": "display_name", "groupName": "group",
            "jobType": "job_type", "notes": "notes", "tags": "tags",
        }  # fmt: skip
        for variable, attribute in names.items():
            if variables.get(variable) is not None:
                setattr(run, attribute, variables[variable])
        if variables.get("config"):
            run.config = json.loads(variables["config"])
        project = {"id": "project", "name": run.project, "entity": {"id": "entity", "name": run.entity}}
        bucket = {
            "id": f"storage-{name}", "name": name, "displayName": run.display_name or name, "description": None,
            "config": json.dumps(run.config), "sweepName": None, "project": project,
            "historyLineCount": len(run.streams.get(_HISTORY, {})),
        }  # fmt: skip
        return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}

    def file_stream(self, name: str, body: dict[str, Any]) -> int:
        """Takes one request. Gives the HTTP status."""
        run = self.runs.get(name)
        if run is None:
            self.violations.append(f"lines for run {name}, which was not created")
            return 404
        if run.exit_code is not None and body:
            self.violations.append(f"run {name}: something after its completion")
            return 400
        for file, content in body.get("files", {}).items():
            lines = run.streams.setdefault(file, {})
            for number, line in enumerate(content["content"], content["offset"]):
                if file == _HISTORY and number > len(lines):
                    self.violations.append(f"run {name}: {file} has a gap before line {number}")
                    return 400
                if file == _HISTORY and lines.get(number, line) != line:
                    self.violations.append(f"run {name}: {file} line {number} was sent with other content")
                    return 400
                lines[number] = line
        if body.get("complete"):
            run.exit_code = body["exitcode"]
        return 200


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        # wandb-core leaves its connections open at its end; anything else is a fault of this server.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server_state: WandbServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments) -> None:
        pass

    def do_POST(self) -> None:
        state = self.server_state
        content = self._content()
        wanted = "Basic " + base64.b64encode(f"api:{state.key}".encode()).decode()
        if self.headers.get("Authorization") != wanted:
            self._answer(401, {"errors": [{"message": "invalid API key"}]})
            return
        body = json.loads(content or b"{}")
        with state.lock:
            if len(content) > _MAX_REQUEST:
                state.violations.append(f"a request of {len(content)} bytes")
            stream = re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path)
            if stream:
                self._answer(state.file_stream(stream.group(1), body), {})
            elif self.path == "/graphql":
                self._answer(200, {"data": state.graphql(body["query"], body.get("variables") or {})})
            else:
                state.violations.append(f"POST {self.path}")
                self._answer(404, {})

    def do_PUT(self) -> None:
        state = self.server_state
        content = self._content()
        upload = re.fullmatch(r"/upload/([^/]+)/(.+)", self.path)
        with state.lock:
            if not upload or upload.group(1) not in state.runs:
                state.violations.append(f"PUT {self.path}")
                self._answer(404, {})
                return
            state.runs[upload.group(1)].files[upload.group(2)] = content
        self._answer(200, {})

    def do_GET(self) -> None:
        self._answer(404, {})

    def _content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
