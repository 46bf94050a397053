"""What W&B's server holds of artifacts, and the rules by which it takes them. No HTTP here: see strict_server.py.

Everything that a client must not do raises Breach. The order of requests, their members and the limits are those of
wandb 0.31.0's own client, which these rules were played against (test_strict_artifacts.py).
"""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from strict_run import Breach, Run, strict_json

PART_FROM = 2 << 30  # bytes from which on a file goes in parts
MOST_FILES = 2000  # asked for in one request
_MANIFEST = {
    "FULL": "wandb_manifest.json",
    "INCREMENTAL": "wandb_manifest.incremental.json",
    "PATCH": "wandb_manifest.patch.json",
}
_TOKENS = re.compile(r"[0-9a-f]{32}")


@dataclass
class Content:
    """Bytes that came to the storage. Of large ones what they were is held, not they."""

    md5: bytes
    size: int
    kept: Optional[bytes]  # None: too many to be held

    @property
    def digest(self) -> str:
        """As manifests have it."""
        return base64.b64encode(self.md5).decode()


@dataclass
class Artifact:
    """One version of an artifact."""

    id: str
    entity: str
    project: str
    input: dict[str, Any]  # of CreateArtifact
    state: str = "PENDING"
    version: Optional[int] = None
    aliases: list[str] = field(default_factory=list)  # that it has now
    manifest_id: str = ""
    manifest_type: str = ""
    manifest_digest: str = ""
    manifest: Optional[Content] = None
    asked: dict[str, str] = field(default_factory=dict)  # files that are to come: name -> digest
    files: dict[str, Content] = field(default_factory=dict)
    used_by: list[str] = field(default_factory=list)  # runs
    commits: int = 0

    @property
    def name(self) -> str:
        return self.input["artifactCollectionName"]

    @property
    def contents(self) -> dict[str, Any]:
        """The manifest's entries. They lack nothing of what was sent."""
        return strict_json(self.manifest.kept)["contents"] if self.manifest else {}


@dataclass
class _Signed:
    """An address at the storage."""

    artifact: Artifact
    what: str  # a file's name, or "" for the manifest
    md5: str  # base64, that has to come
    part: int = 0  # counted from 1; 0: the whole file
    signed: float = 0.0


@dataclass
class _Parts:
    """A file that comes in parts."""

    artifact: Artifact
    name: str
    digest: str
    wanted: dict[int, str]  # part -> hex MD5
    came: dict[int, Content] = field(default_factory=dict)


def artifact_digest(contents: dict[str, Any]) -> str:
    """W&B's digest of a manifest (MANIFEST_MD5)."""
    lines = "".join(f"{path}:{contents[path]['digest']}\n" for path in sorted(contents))
    return hashlib.md5(f"wandb-artifact-manifest-v1\n{lines}".encode()).hexdigest()


class Artifacts:
    """All artifacts of a server. Calls are made under the server's lock."""

    def __init__(self, runs: dict[tuple[str, str, str], Run], default_entity: str):
        self.url = ""  # of the server, known when it listens
        self.lifetime = float("inf")  # seconds for which a signed address is valid
        self.made: list[Artifact] = []  # in the order in which they were created
        self.headers = [f"X-Storage:{secrets.token_hex(8)}"]  # which each address asks for
        self._runs, self._entity = runs, default_entity
        self._signed: dict[str, _Signed] = {}
        self._parts: dict[str, _Parts] = {}

    def versions(self, name: str) -> list[Artifact]:
        """The committed ones of a name, oldest first."""
        found = [one for one in self.made if one.name == name and one.version is not None]
        return sorted(found, key=lambda one: one.version or 0)

    def operation(self, name: str) -> Optional[Callable[[dict[str, Any]], dict[str, Any]]]:
        """What answers a GraphQL operation; None: it is none of artifacts."""
        return {
            "CreateArtifact": self._create, "CreateArtifactManifest": self._create_manifest,
            "UpdateArtifactManifest": self._update_manifest, "CreateArtifactFiles": self._create_files,
            "CompleteMultipartUploadArtifact": self._complete_parts, "CommitArtifact": self._commit,
            "UseArtifact": self._use, "ClientIDMapping": self._client_id,
        }.get(name)  # fmt: skip

    # --- GraphQL ---

    def _create(self, variables: dict[str, Any]) -> dict[str, Any]:
        asked = variables["input"]
        entity, project = asked.get("entityName") or self._entity, asked.get("projectName")
        where = f"artifact {asked.get('artifactCollectionName')!r}"
        if (entity, project, asked.get("runName")) not in self._runs:
            raise Breach(f"{where} of a run that was not created: {asked}", 404)
        if not re.fullmatch(r"[0-9a-f]{32}", asked.get("digest") or ""):
            raise Breach(f"{where} with the digest {asked.get('digest')!r}")
        if asked.get("digestAlgorithm") != "MANIFEST_MD5" or asked.get("enableDigestDeduplication") is not True:
            raise Breach(f"{where} with other digests: {asked}")
        if not asked.get("artifactTypeName") or not re.fullmatch(r"[^/]{1,128}", asked["artifactCollectionName"] or ""):
            raise Breach(f"{where} of type {asked.get('artifactTypeName')!r}")
        for alias in asked.get("aliases") or []:
            if alias != {"artifactCollectionName": asked["artifactCollectionName"], "alias": alias.get("alias")}:
                raise Breach(f"{where} with the alias {alias}")
        if asked.get("metadata") is not None:
            strict_json(asked["metadata"])
        place = (entity, project, asked["artifactCollectionName"])
        same = [one for one in self.made if (one.entity, one.project, one.name) == place]
        if any(one.input["artifactTypeName"] != asked["artifactTypeName"] for one in same):
            raise Breach(f"{where} was of another type before", 409)
        mine = [one for one in self.made if one.input["clientID"] == asked.get("clientID")]
        if mine and mine[0].input != asked:
            raise Breach(f"{where}: its client id is that of {mine[0].input}")
        committed = [one for one in same if one.state == "COMMITTED"]
        latest = max(committed, key=lambda one: one.version or 0, default=None)
        alike = mine or [one for one in committed if one.input["digest"] == asked["digest"]]
        if alike and alike[0].state == "COMMITTED":
            self._give_aliases(alike[0], asked)
        elif not alike:
            begun = [one.input["clientID"][:8] for one in same if one.state == "PENDING"]
            if begun:
                raise Breach(f"{where}: a version was begun while another one was not committed: {begun}")
            if len(asked.get("clientID") or "") != 128 or len(asked.get("sequenceClientID") or "") != 128:
                raise Breach(f"{where} without client ids")
            made_id = base64.b64encode(f"Artifact:{len(self.made)}".encode()).decode()
            alike = [Artifact(made_id, entity, project, asked)]
            self.made.append(alike[0])
        node = {"id": latest.id, "versionIndex": latest.version} if latest else None
        made = {"id": alike[0].id, "state": alike[0].state, "artifactSequence": {"id": "s", "latestArtifact": node}}
        return {"createArtifact": {"artifact": made}}

    def _of(self, variables: dict[str, Any], member: str = "artifactID") -> Artifact:
        found = [one for one in self.made if variables.get(member) in (one.id, one.manifest_id) and variables[member]]
        if not found:
            raise Breach(f"an artifact that is not known: {variables}", 404)
        return found[0]

    def _pending(self, variables: dict[str, Any], member: str = "artifactID") -> Artifact:
        artifact = self._of(variables, member)
        if self._runs[artifact.entity, artifact.project, artifact.input["runName"]].complete:
            raise Breach(f"artifact {artifact.name}: something behind the end of its run: {variables}")
        if artifact.state != "PENDING":
            raise Breach(f"artifact {artifact.name}: something behind its commit: {variables}")
        return artifact

    def _create_manifest(self, variables: dict[str, Any]) -> dict[str, Any]:
        artifact = self._pending(variables)
        kind = variables.get("manifestType")
        if _MANIFEST.get(kind) != variables.get("name"):
            raise Breach(f"artifact {artifact.name}: a manifest {variables}")
        if artifact.manifest_type not in ("", kind):
            raise Breach(f"artifact {artifact.name}: a manifest of another type")
        base = variables.get("baseArtifactID")
        if base is not None and not any(one.id == base and one.state == "COMMITTED" for one in self.made):
            raise Breach(f"artifact {artifact.name}: the base {base!r}")
        artifact.manifest_type = kind
        artifact.manifest_id = artifact.manifest_id or f"manifest-{artifact.id}"
        return {"createArtifactManifest": {"artifactManifest": self._manifest(artifact, variables)}}

    def _update_manifest(self, variables: dict[str, Any]) -> dict[str, Any]:
        artifact = self._pending(variables, "artifactManifestID")
        if artifact.manifest_type == "FULL":
            raise Breach(f"artifact {artifact.name}: a full manifest is not changed")
        return {"updateArtifactManifest": {"artifactManifest": self._manifest(artifact, variables)}}

    def _manifest(self, artifact: Artifact, variables: dict[str, Any]) -> dict[str, Any]:
        if not variables.get("includeUpload"):
            if variables.get("digest"):
                raise Breach(f"artifact {artifact.name}: a manifest's digest without its upload")
            return {"id": artifact.manifest_id, "file": {"id": "f", "name": "m"}}
        missing = artifact.asked.keys() - artifact.files.keys()
        if missing:
            raise Breach(f"artifact {artifact.name}: the manifest before {sorted(missing)}")
        digest = _digest(variables.get("digest"), f"artifact {artifact.name}: its manifest")
        artifact.manifest_digest = digest
        url = self._sign(_Signed(artifact, "", digest))
        headers = [*self.headers, f"Content-MD5:{digest}", "Content-Type:application/json"]
        file = {"id": "f", "name": "m", "uploadUrl": url, "uploadHeaders": headers}
        return {"id": artifact.manifest_id, "file": file}

    def _create_files(self, variables: dict[str, Any]) -> dict[str, Any]:
        asked = variables["input"]
        if asked.get("storageLayout") != "V2" or not 0 < len(asked["artifactFiles"]) <= MOST_FILES:
            raise Breach(f"files of an artifact: {len(asked['artifactFiles'])} in {asked.get('storageLayout')!r}")
        edges = [{"node": self._file(one)} for one in asked["artifactFiles"]]
        return {"createArtifactFiles": {"files": {"edges": edges}}}

    def _file(self, asked: dict[str, Any]) -> dict[str, Any]:
        artifact = self._pending(asked)
        name, where = asked["name"], f"artifact {artifact.name}: the file {asked['name']!r}"
        if asked.get("artifactManifestID") != artifact.manifest_id:
            raise Breach(f"{where} is of the manifest {asked.get('artifactManifestID')!r}")
        if name.startswith("/") or ".." in name.split("/") or asked.get("digest", asked["md5"]) != asked["md5"]:
            raise Breach(f"{where}: {asked}")
        digest = _digest(asked["md5"], where)
        artifact.asked[name] = digest
        path = f"{artifact.id}/{name}"
        node = {"id": path, "name": name, "displayName": name, "storagePath": path, "artifact": {"id": artifact.id},
                "uploadUrl": None, "uploadHeaders": [], "uploadMultipartUrls": None}  # fmt: skip
        if name in artifact.files and artifact.files[name].digest == digest:
            return node
        before = [one for one in self.versions(artifact.name) if name in one.files and one.files[name].digest == digest]
        if before:
            artifact.files[name] = before[0].files[name]
            return {**node, "artifact": {"id": before[0].id}}
        if not asked.get("uploadPartsInput"):
            headers = [*self.headers, f"Content-MD5:{digest}", "Content-Type:application/octet-stream"]
            return {**node, "uploadUrl": self._sign(_Signed(artifact, name, digest)), "uploadHeaders": headers}
        wanted = {part["partNumber"]: part["hexMD5"] for part in asked["uploadPartsInput"]}
        if list(wanted) != list(range(1, len(wanted) + 1)) or len(wanted) > 10_000:
            raise Breach(f"{where} in the parts {list(wanted)}")
        upload = secrets.token_hex(8)
        self._parts[upload] = _Parts(artifact, name, digest, wanted)
        urls = [
            {"partNumber": number, "uploadUrl": self._sign(_Signed(artifact, upload, _base64(md5), number))}
            for number, md5 in wanted.items()
        ]
        headers = [*self.headers, "Content-Type:application/octet-stream"]
        return {**node, "uploadUrl": f"{self.url}/none", "uploadHeaders": headers,
                "uploadMultipartUrls": {"uploadID": upload, "uploadUrlParts": urls}}  # fmt: skip

    def _complete_parts(self, variables: dict[str, Any]) -> dict[str, Any]:
        artifact, parts = self._pending(variables), self._parts.get(variables.get("uploadID"))
        if parts is None or parts.artifact is not artifact or variables.get("completeMultipartAction") != "Complete":
            raise Breach(f"artifact {artifact.name}: parts that are not known: {variables}")
        came = [{"partNumber": number, "hexMD5": _etag(parts.came[number])} for number in sorted(parts.came)]
        if variables["completedParts"] != came or parts.came.keys() != parts.wanted.keys():
            raise Breach(f"artifact {artifact.name}: {parts.name} of {variables['completedParts']}, of {came}")
        if variables.get("storagePath") != f"{artifact.id}/{parts.name}":
            raise Breach(f"artifact {artifact.name}: at {variables.get('storagePath')!r}")
        size = sum(part.size for part in parts.came.values())
        artifact.files[parts.name] = Content(base64.b64decode(parts.digest), size, None)
        return {"completeMultipartUploadArtifact": {"digest": parts.digest}}

    def _commit(self, variables: dict[str, Any]) -> dict[str, Any]:
        artifact = self._of(variables)
        artifact.commits += 1
        answer = {"commitArtifact": {"artifact": {"id": artifact.id, "digest": artifact.input["digest"]}}}
        if artifact.state == "COMMITTED":
            return answer  # the answer was lost
        where = f"artifact {artifact.name}: committed"
        if artifact.manifest is None:
            raise Breach(f"{where} without its manifest")
        manifest = strict_json(artifact.manifest.kept)
        if manifest.get("version") != 1 or manifest.get("storagePolicy") != "wandb-storage-policy-v1":
            raise Breach(f"{where} with the manifest {artifact.manifest.kept!r}")
        contents = manifest["contents"]
        if artifact.manifest_type == "FULL" and artifact_digest(contents) != artifact.input["digest"]:
            raise Breach(f"{where} with a manifest of another digest")
        for path, entry in contents.items():
            if "ref" in entry:
                if "birthArtifactID" in entry:
                    raise Breach(f"{where}: {path} is a reference and has content")
            elif not any(one.id == entry.get("birthArtifactID") for one in self.made):
                raise Breach(f"{where}: {path} is of {entry.get('birthArtifactID')!r}")
            elif path in artifact.files:
                came = artifact.files[path]
                if (came.digest, came.size) != (entry["digest"], entry.get("size", 0)):
                    raise Breach(f"{where}: {path} is not what came: {entry}")
            elif entry["birthArtifactID"] == artifact.id:
                raise Breach(f"{where}: {path} has not come")
        artifact.state, artifact.version = "COMMITTED", len(self.versions(artifact.name))
        self._give_aliases(artifact, artifact.input)
        return answer

    def _give_aliases(self, artifact: Artifact, asked: dict[str, Any]) -> None:
        for alias in [one["alias"] for one in asked.get("aliases") or []]:
            for other in self.made:
                if other.name == artifact.name and alias in other.aliases:
                    other.aliases.remove(alias)
            artifact.aliases.append(alias)

    def _use(self, variables: dict[str, Any]) -> dict[str, Any]:
        asked = variables["input"]
        artifact = self._of(asked)
        run = (asked.get("entityName") or self._entity, asked.get("projectName"), asked.get("runName"))
        if artifact.state != "COMMITTED" or run not in self._runs:
            raise Breach(f"artifact {artifact.name} used by {run}, in state {artifact.state}", 404)
        if run[2] not in artifact.used_by:
            artifact.used_by.append(run[2])
        return {"useArtifact": {"artifact": {"id": artifact.id}}}

    def _client_id(self, variables: dict[str, Any]) -> dict[str, Any]:
        found = [one for one in self.made if one.input["clientID"] == variables.get("clientID")]
        return {"clientIDMapping": {"serverID": found[0].id} if found else None}

    # --- storage ---

    def _sign(self, signed: _Signed) -> str:
        token = secrets.token_hex(16)
        signed.signed = time.monotonic()
        self._signed[token] = signed
        return f"{self.url}/artifact-storage/{token}"

    def file_at(self, token: str) -> str:
        """What an address is for, as `calls` names it; empty if it is none."""
        signed = self._signed.get(token) if _TOKENS.fullmatch(token) else None
        if signed is None:
            return ""
        if signed.part:
            return f"{self._parts[signed.what].name}#{signed.part}"
        return signed.what or f"manifest of {signed.artifact.name}"

    def take(self, token: str, headers: Mapping[str, str], content: Content) -> Optional[str]:
        """What was put at an address. Gives its ETag, or None if the address has expired. Raises Breach."""
        where = f"PUT {self.file_at(token)}"
        if not self.file_at(token):
            raise Breach(f"PUT {token}: not a signed address", 403)
        signed = self._signed[token]
        if time.monotonic() > signed.signed + self.lifetime:
            return None
        if "Authorization" in headers:
            raise Breach(f"{where}: the API key was shown to the storage")
        if any(headers.get(name) != value for name, value in (line.split(":", 1) for line in self.headers)):
            raise Breach(f"{where}: without the upload's headers", 403)
        if headers.get("Content-MD5") != signed.md5 or "Content-Type" not in headers:
            raise Breach(f"{where}: with {headers.get('Content-MD5')!r}, {headers.get('Content-Type')!r}")
        if content.digest != signed.md5:
            raise Breach(f"{where}: content that is not of its MD5")
        artifact = signed.artifact
        if artifact.state != "PENDING":
            raise Breach(f"{where}: behind the commit")
        if signed.part:
            self._parts[signed.what].came[signed.part] = content
        elif signed.what:
            artifact.files[signed.what] = content
        else:
            artifact.manifest = content
        return _etag(content)


def _etag(content: Content) -> str:
    return f'"{content.md5.hex()}"'


def _base64(hex_md5: str) -> str:
    return base64.b64encode(bytes.fromhex(hex_md5)).decode()


def _digest(text: Any, where: str) -> str:
    """An MD5 in base64. Raises Breach."""
    try:
        if len(base64.b64decode(text, validate=True)) == 16:
            return text
    except (TypeError, ValueError):
        pass
    raise Breach(f"{where} has the digest {text!r}")
