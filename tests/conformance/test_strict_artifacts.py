"""The strict server's rules for artifacts: W&B's own client keeps to them, and what breaks them is refused."""

import hashlib
import sys
from pathlib import Path

import pytest
from strict_artifacts import Artifacts, Content, artifact_digest
from strict_run import Breach, Run
from strict_server import StrictServer
from sync import sync
from wandb_command import run_isolated

SCRIPT = Path(__file__).parents[1] / "integration" / "sdk_artifacts.py"


def test_what_wandbs_own_client_sends_of_artifacts_breaks_no_rule(tmp_path):
    made = run_isolated(
        [sys.executable, str(SCRIPT), str(tmp_path / "files")],
        120,
        tmp_path,
        WANDB_MODE="offline",
        WANDB_DATA_DIR=str(tmp_path / "data"),
    )
    assert made.returncode == 0, made.stderr
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    with StrictServer() as server:
        sync(folder, server)
        assert not server.violations
        states = [(one.name, one.state) for one in server.artifacts.made]
    assert len(states) == 6 and {state for _name, state in states} == {"COMMITTED"}


# --- one artifact, by hand ---

_CONTENT = b"content"
_DIGEST = Content(hashlib.md5(_CONTENT).digest(), len(_CONTENT), _CONTENT).digest
_ENTRY = {"digest": _DIGEST, "size": len(_CONTENT)}


class _Client:
    def __init__(self) -> None:
        run = Run("tester", "made", "one")
        self.artifacts = Artifacts({("tester", "made", "one"): run}, "tester")

    def ask(self, operation: str, **variables: object) -> dict:
        (answer,) = self.artifacts.operation(operation)(variables).values()
        return answer

    def create(self, **changes: object) -> dict:
        asked = {
            "entityName": "tester", "projectName": "made", "runName": "one", "artifactTypeName": "dataset",
            "artifactCollectionName": "set", "digest": artifact_digest({"a": _ENTRY}),
            "digestAlgorithm": "MANIFEST_MD5", "enableDigestDeduplication": True, "aliases": [], "metadata": None,
            "clientID": "c" * 128, "sequenceClientID": "s" * 128,
        }  # fmt: skip
        return self.ask("CreateArtifact", input={**asked, **changes})["artifact"]

    def manifest(self, artifact: str, digest: str = "") -> dict:
        variables = {"artifactID": artifact, "name": "wandb_manifest.json", "manifestType": "FULL", "digest": digest}
        return self.ask("CreateArtifactManifest", **variables, includeUpload=bool(digest))["artifactManifest"]

    def file(self, artifact: str, manifest: str, name: str = "a") -> dict:
        asked = {"artifactID": artifact, "artifactManifestID": manifest, "name": name, "md5": _DIGEST}
        answer = self.ask("CreateArtifactFiles", input={"storageLayout": "V2", "artifactFiles": [asked]})
        return answer["files"]["edges"][0]["node"]

    def put(self, url: str, headers: list[str], content: bytes = _CONTENT) -> str:
        named = dict(header.split(":", 1) for header in headers)
        came = Content(hashlib.md5(content).digest(), len(content), content)
        return self.artifacts.take(url.rsplit("/", 1)[1], named, came)


def test_content_that_is_not_of_its_md5_is_refused():
    client = _Client()
    artifact = client.create()["id"]
    node = client.file(artifact, client.manifest(artifact)["id"])
    with pytest.raises(Breach, match="not of its MD5"):
        client.put(node["uploadUrl"], node["uploadHeaders"], b"other")
    with pytest.raises(Breach, match="headers"):
        client.put(node["uploadUrl"], [])
    assert client.put(node["uploadUrl"], node["uploadHeaders"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"digest": "x"}, "digest"),
        ({"digestAlgorithm": "MANIFEST_XXH128"}, "other digests"),
        ({"runName": "two"}, "not created"),
        ({"clientID": "short"}, "client ids"),
        ({"metadata": "{"}, "not JSON"),
        ({"aliases": [{"alias": "x", "artifactCollectionName": "other"}]}, "alias"),
    ],
)
def test_an_artifact_that_makes_no_sense_is_refused(change, words):
    with pytest.raises(Breach, match=words):
        _Client().create(**change)


def test_an_order_that_loses_something_is_refused():
    client = _Client()
    artifact = client.create()["id"]
    manifest = client.manifest(artifact)["id"]
    node = client.file(artifact, manifest)
    with pytest.raises(Breach, match="the manifest before"):
        client.manifest(artifact, _DIGEST)
    client.put(node["uploadUrl"], node["uploadHeaders"])
    with pytest.raises(Breach, match="without its manifest"):
        client.ask("CommitArtifact", artifactID=artifact)
    with pytest.raises(Breach, match="not committed"):
        client.create(clientID="d" * 128)
    with pytest.raises(Breach, match="its client id is that of"):
        client.create(digest="0" * 32)
    assert client.create()["id"] == artifact  # asked again, it is the same
    assert client.file(artifact, manifest)["uploadUrl"] is None  # and what is there is not wanted again
