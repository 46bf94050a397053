"""A small W&B server on this machine that the real wandb package uploads to, and that is strict.

It speaks what wandb 0.31 uses for runs: GraphQL, file stream and signed uploads. Whatever a client must not
do is kept in `violations` and answered with an error. What arrived is in `runs`.

    with StrictServer() as server:
        ...  # WANDB_BASE_URL=server.url, WANDB_API_KEY=server.key
        server.run("my-run-id").rows

From the command line (`python strict_server.py --port 8080`) it serves until Ctrl-C, then tells what it holds.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import re
import secrets
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional
from urllib.parse import unquote

from strict_artifacts import Artifacts, Content
from strict_run import Breach, Run, check_names, strict_json

ENTITY, PROJECT = "tester", "uncategorized"  # what W&B fills in where the client names none
MAX_REQUEST_BYTES = 64 << 20  # of a request's body, uploads too

_OPERATION = re.compile(r"\s*(?:query|mutation)\s+(\w+)")
FILE_STREAM = re.compile(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream")
_UPLOAD = re.compile(r"/storage/(\w+)")
_ARTIFACT_UPLOAD = re.compile(r"/artifact-storage/(\w+)")
# What a signed address need not hold for: it was signed without them (Google's signer says so of the first two).
_UNSIGNED = ("Content-Type", "Content-MD5", "Expect", "Accept")


@dataclass
class Request:
    """What arrived. path: as sent; body: whole."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    content: Optional[Content] = None  # what was put to a storage; the body of a large one is empty


@dataclass
class Answer:
    """What goes back, as JSON."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class StrictServer:
    """See the module. A subclass that overrides `answer` can disturb, delay or lose requests.

    Thread rule: `answer` runs under the server's lock; what a test reads while clients are at work, it reads
    in the condition that it gives to `wait_for`.
    """

    key = "0123456789abcdef0123456789abcdef01234567"  # made up

    def __init__(self, port: int = 0, handler: Optional[type["Handler"]] = None):
        """port: on 127.0.0.1; 0 takes a free one. handler: of requests. Raises OSError if the port is taken."""
        self.runs: dict[tuple[str, str, str], Run] = {}  # (entity, project, id)
        self.violations: list[str] = []
        self.features: list[str] = []  # that it has, by name of ServerFeature (wandb_internal.proto)
        self.calls: list[str] = []  # what was asked, in order: an operation, "file_stream", "PUT <file>"
        self.upload_lifetime = float("inf")  # seconds for which a signed address is valid
        self.storage_speed = float("inf")  # bytes that a file brings there in a second
        self.leaving = threading.Event()
        self._uploads: dict[str, tuple[Run, str, float]] = {}  # signed path -> run, file and when it was signed
        self.artifacts = Artifacts(self.runs, ENTITY)
        self._signature = secrets.token_hex(8)
        self._changed = threading.Condition()
        self._at_work: dict[str, int] = {}  # path of a file stream -> requests that have no answer yet
        self._http = _Http(("127.0.0.1", port), type("Bound", (handler or Handler,), {"owner": self}))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="strict-server")
        self.url = self.artifacts.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "StrictServer":
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.leaving.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def use_tls(self, context: ssl.SSLContext) -> None:
        """From here on it takes TLS connections only. Call it before any client."""
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = self.artifacts.url = self.url.replace("http:", "https:")

    def run(self, run_id: str) -> Run:
        """The only run with this id. Raises LookupError if there is none, or more in several projects."""
        found = [run for run in self.runs.values() if run.id == run_id]
        if len(found) != 1:
            raise LookupError(f"{len(found)} runs {run_id!r} among {sorted(self.runs)}")
        return found[0]

    def edit(self, run_id: str, **fields: Any) -> None:
        """What a person changes in the browser: display_name, tags, notes, stopped and other fields of a run."""
        with self._changed:
            for name, value in fields.items():
                setattr(self.run(run_id), name, value)

    def wait_for(self, condition: Callable[["StrictServer"], bool], seconds: float = 30.0) -> None:
        """Waits until the condition holds; it is looked at after each request. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), seconds):
                raise TimeoutError(f"not within {seconds} s; violations: {self.violations}")

    def begin(self, path: str) -> None:
        """A request has come, and was not answered yet: of a run's file stream only one at a time may be."""
        with self._changed:
            self._at_work[path] = self._at_work.get(path, 0) + 1
            if FILE_STREAM.fullmatch(path) and self._at_work[path] > 1:
                self.violations.append(f"two requests in flight at {path}")

    def end(self, path: str) -> None:
        """The client of a request knows that it is over: it was answered, or given up."""
        with self._changed:
            self._at_work[path] -= 1
            self._changed.notify_all()

    def handle(self, request: Request) -> Answer:
        """One request from a handler's thread: answers it, or notes what was wrong with it."""
        with self._changed:
            try:
                return self.answer(request)
            except Breach as breach:
                return self.refuse(breach)
            finally:
                self._changed.notify_all()

    def refuse(self, breach: Breach) -> Answer:
        """Notes a breach. Gives the answer to it."""
        with self._changed:
            self.violations.append(str(breach))
        return Answer(breach.status, {"errors": [{"message": str(breach)}]})

    def answer(self, request: Request) -> Answer:
        """The answer of a server in good health. Raises Breach."""
        upload = _UPLOAD.fullmatch(request.path)
        if request.method == "PUT" and upload:
            return self._take_upload(upload.group(1), request)
        upload = _ARTIFACT_UPLOAD.fullmatch(request.path)
        if request.method == "PUT" and upload:
            return self._take_artifact_upload(upload.group(1), request)
        wanted = "Basic " + base64.b64encode(f"api:{self.key}".encode()).decode()
        if request.headers.get("Authorization") != wanted:
            raise Breach(f"{request.method} {request.path}: without the API key", 401)
        stream = FILE_STREAM.fullmatch(request.path)
        if request.method != "POST" or not (stream or request.path == "/graphql"):
            raise Breach(f"nothing is at {request.method} {request.path}", 404)
        if request.headers.get("Content-Type", "").split(";")[0] != "application/json":
            raise Breach(f"POST {request.path}: content of type {request.headers.get('Content-Type')}", 415)
        body = strict_json(request.body)
        if stream:
            self.calls.append("file_stream")
            run = self.runs.get(tuple(unquote(part) for part in stream.groups()))
            if run is None:
                raise Breach(f"lines for a run that was not created: {request.path}", 404)
            run.stream(body)
            return Answer(body={"stopped": True} if run.stopped else {})
        return Answer(body={"data": self._graphql(body)})

    def _take_upload(self, token: str, request: Request) -> Answer:
        if token not in self._uploads:
            raise Breach(f"PUT {request.path}: not a signed address", 403)
        run, name, signed = self._uploads[token]
        self.calls.append(f"PUT {name}")
        if time.monotonic() > signed + self.upload_lifetime:
            return Answer(403, {"error": "the address has expired"})
        if "Authorization" in request.headers:
            raise Breach(f"PUT {name}: the API key was shown to the storage")
        if request.headers.get("X-Signature") != self._signature:
            raise Breach(f"PUT {name}: without the upload's headers", 403)
        unsigned = [header for header in _UNSIGNED if header in request.headers]
        if unsigned:
            raise Breach(f"PUT {name}: with headers that were not asked for: {unsigned}", 403)
        run.files[name] = request.body
        return Answer()

    def _take_artifact_upload(self, token: str, request: Request) -> Answer:
        self.calls.append(f"PUT {self.artifacts.file_at(token)}")
        etag = self.artifacts.take(token, request.headers, request.content)
        return Answer(headers={"ETag": etag}) if etag else Answer(403, {"error": "the address has expired"})

    def refuse_upload(self, path: str) -> None:
        """The storage has refused a file for good: its run may be complete without it."""
        upload = _UPLOAD.fullmatch(path)
        with self._changed:
            if upload and upload.group(1) in self._uploads:
                run, name, _signed = self._uploads[upload.group(1)]
                run.requested.discard(name)

    def file_at(self, path: str) -> str:
        """The name of the file that a signed path is for; empty if it is none."""
        upload, of_artifact = _UPLOAD.fullmatch(path), _ARTIFACT_UPLOAD.fullmatch(path)
        with self._changed:
            if of_artifact:
                return self.artifacts.file_at(of_artifact.group(1))
            return self._uploads[upload.group(1)][1] if upload and upload.group(1) in self._uploads else ""

    # --- GraphQL ---

    def _graphql(self, body: Any) -> dict[str, Any]:
        """The answer's data. Raises Breach."""
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            raise Breach(f"not a GraphQL request: {str(body)[:200]}")
        query, variables = body["query"], body.get("variables") or {}
        found = _OPERATION.match(query)
        operation = found.group(1) if found else ""
        self.calls.append(operation)
        handler = {
            "Viewer": self._viewer, "ServerFeaturesQuery": self._server_info, "ServerInfo": self._server_info,
            "OrganizationCoreWeaveOrganizationID": self._organization, "RunResumeStatus": self._resume_status,
            "UpsertBucket": self._upsert, "CreateRunFiles": self._create_files,
            "NotifyScriptableRunAlert": self._alert,
        }.get(operation) or self.artifacts.operation(operation)  # fmt: skip
        if handler is None:
            raise Breach(f"a GraphQL operation that is not known: {query[:200]}")
        return handler({**variables, "query": query} if operation == "RunResumeStatus" else variables)

    def _viewer(self, _variables: dict[str, Any]) -> dict[str, Any]:
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        viewer = {
            "id": "viewer",
            "entity": ENTITY,
            "username": ENTITY,
            "email": "",
            "flags": "{}",
            "teams": teams,
        }
        return {"viewer": {**viewer, "admin": False}}

    def _server_info(self, _variables: dict[str, Any]) -> dict[str, Any]:
        features = [{"name": name, "isEnabled": True} for name in self.features]
        return {"serverInfo": {"features": features, "cliVersionInfo": {}, "latestLocalVersionInfo": None}}

    def _alert(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(tuple(variables.get(name) for name in ("entityName", "projectName", "runName")))
        if run is None:
            raise Breach(f"an alert of a run that was not created: {variables}", 404)
        if variables.get("severity") not in ("INFO", "WARN", "ERROR"):
            raise Breach(f"run {run.id}: an alert of severity {variables.get('severity')!r}")
        run.alerts.append(variables)
        return {"notifyScriptableRunAlert": {"success": True}}

    def _organization(self, _variables: dict[str, Any]) -> dict[str, Any]:
        return {"entity": {"organization": None, "user": None}}

    def _resume_status(self, variables: dict[str, Any]) -> dict[str, Any]:
        entity, project = variables.get("entity") or ENTITY, variables.get("project") or PROJECT
        run = self.runs.get((entity, project, variables.get("name")))
        bucket = run.bucket() if run else None
        if bucket:  # what was asked for, and no more: some of it is large
            bucket = {name: value for name, value in bucket.items() if re.search(rf"\b{name}\b", variables["query"])}
        return {
            "model": {
                "id": project,
                "name": project,
                "entity": {"id": entity, "name": entity},
                "bucket": bucket,
            }
        }

    def _upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        known = {run.storage_id: run for run in self.runs.values()}
        run = known.get(variables.get("id"))
        if run is None:
            entity, project = variables.get("entity") or ENTITY, variables.get("project") or PROJECT
            name = variables.get("name") or ""
            check_names(project, name)
            run = self.runs.get((entity, project, name)) or Run(entity, project, name)
        run.upsert(variables)
        inserted = run.storage_id not in known
        self.runs[run.entity, run.project, run.id] = run
        return {"upsertBucket": {"bucket": run.bucket(), "inserted": inserted}}

    def _create_files(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get((variables.get("entity"), variables.get("project"), variables.get("run")))
        if run is None:
            raise Breach(f"files for a run that was not created: {variables}", 404)
        files = []
        for name in variables.get("files") or []:
            if name.startswith("/") or ".." in name.split("/"):
                raise Breach(f"run {run.id}: a file outside the run's: {name!r}")
            token = secrets.token_hex(16)
            self._uploads[token] = run, name, time.monotonic()
            run.requested.add(name)
            files.append({"name": name, "uploadUrl": f"{self.url}/storage/{token}"})
        headers = [f"X-Signature:{self._signature}"]
        return {"createRunFiles": {"runID": run.storage_id, "uploadHeaders": headers, "files": files}}


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # wandb-core leaves its connections open at its end; anything else is a fault of this server.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection of a client. A subclass that overrides `respond` can answer in other ways."""

    owner: StrictServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.owner.begin(self.path)
        self.over = False
        try:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or (int(length) > MAX_REQUEST_BYTES and self.command != "PUT"):
                self.close_connection = True
                said = f"{self.command} {self.path}: a request of {length or 'an unknown number of'} bytes"
                self.send(self.owner.refuse(Breach(said, 413)))
            else:
                body, content = self._read(int(length))
                if content.size < int(length):
                    self.close_connection = True  # the client has gone in the middle of it
                    return
                self.respond(Request(self.command, self.path, self.headers, body, content))
        finally:
            self.end()

    def _read(self, size: int) -> tuple[bytes, Content]:
        speed, body, md5, left = self.owner.storage_speed, b"", hashlib.md5(), size
        slow = self.command == "PUT" and speed != float("inf")
        while left > 0 and not (slow and self.owner.leaving.wait(0.1)):
            piece = self.rfile.read(min(left, int(speed / 10) if slow else 1 << 20))
            if not piece:
                break  # the client has gone
            left -= len(piece)
            md5.update(piece)
            body += piece if size <= MAX_REQUEST_BYTES else b""
        return body, Content(md5.digest(), size - left, body if size <= MAX_REQUEST_BYTES else None)

    def respond(self, request: Request) -> None:
        """Answers a request that has come whole."""
        self.send(self.owner.handle(request))

    def send(self, answer: Answer) -> None:
        content = json.dumps(answer.body).encode()
        self.end()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def end(self) -> None:
        """From here on the client may know that the request is over."""
        if not self.over:
            self.over = True
            self.owner.end(self.path)

    do_PUT = do_POST

    def log_message(self, *_arguments: object) -> None:
        pass


def main(arguments: Optional[list[str]] = None) -> int:
    """Serves until Ctrl-C. Gives 1 if there were violations, else 0."""
    parser = argparse.ArgumentParser(description="A strict W&B server on 127.0.0.1, for tests.")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    with StrictServer(parser.parse_args(arguments).port) as server:
        print(f"export WANDB_BASE_URL={server.url} WANDB_API_KEY={server.key}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        for run in server.runs.values():
            files = sorted(run.files)
            print(f"{run.entity}/{run.project}/{run.id}: {run.state}, {len(run.rows)} rows, files {files}")
        for violation in server.violations:
            print(f"violation: {violation}")
        return 1 if server.violations else 0


if __name__ == "__main__":
    sys.exit(main())
