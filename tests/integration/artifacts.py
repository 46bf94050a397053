"""Runs with artifacts: made by W&B's own client offline or by hand, and what of them has to be on the server."""

import base64
import hashlib
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any, Optional

import run_log_writer as writer
from strict_artifacts import Artifact, artifact_digest
from strict_server import StrictServer
from wandb.proto import wandb_internal_pb2 as pb
from wandb_command import run_isolated

SCRIPT = Path(__file__).with_name("sdk_artifacts.py")


def digest_of(content: bytes) -> str:
    """A file's, as manifests have it."""
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def log_by_sdk(folder: Path) -> Path:
    """Runs `sdk_artifacts.py` offline, its files below the folder. Gives the run's folder."""
    made = run_isolated(
        [sys.executable, str(SCRIPT), str(folder / "files")],
        120,
        folder,
        WANDB_MODE="offline",
        WANDB_DATA_DIR=str(folder / "data"),
    )
    assert made.returncode == 0, made.stderr
    (run,) = folder.glob("wandb/offline-run-*")
    return run


def copy_of(run: Path, place: Path) -> Path:
    """A copy of a run's folder in another place; contents of artifacts stay where they are."""
    shutil.copytree(run, place / run.name, ignore=shutil.ignore_patterns("logs"))
    return place / run.name


def record(name: str, files: dict[str, Path], aliases: tuple[str, ...] = ("latest",), **fields: Any) -> pb.Record:
    """The record of an artifact with these files, of which it has the digests."""
    made = pb.ArtifactRecord(
        type="dataset", name=name, aliases=aliases, finalize=True, client_id=secrets.token_hex(64),
        sequence_client_id=secrets.token_hex(64), **fields,
    )  # fmt: skip
    made.manifest.version = 1
    made.manifest.storage_policy = "wandb-storage-policy-v1"
    made.manifest.storage_policy_config.add(key="storageLayout", value_json='"V2"')
    for path, place in sorted(files.items()):
        content = place.read_bytes()
        made.manifest.contents.add(path=path, digest=digest_of(content), size=len(content), local_path=str(place))
    made.digest = artifact_digest({entry.path: {"digest": entry.digest} for entry in made.manifest.contents})
    return pb.Record(artifact=made)


def make_run(folder: Path, run_id: str, artifacts: list[pb.Record], rows: int = 5, end: Optional[int] = 0) -> Path:
    """A run by hand with rows and artifacts. Gives its log."""
    records = [writer.header(), writer.run_record(run_id, project="made", entity="tester")]
    for step in range(rows):
        records += [writer.summary_update({"loss": step}), writer.history(step, {"loss": step})]
    records += artifacts
    if end is not None:
        records.append(writer.exit_record(end))
    return writer.write_run(folder, run_id, records)


def make_files(folder: Path, count: int, size: int = 100) -> dict[str, Path]:
    """Files of random content: name -> path."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"f{number}").write_bytes(secrets.token_bytes(size))
    return {f"f{number}": folder / f"f{number}" for number in range(count)}


def as_told(artifact: Artifact) -> dict[str, Any]:
    """What a person can tell of an artifact, whoever uploaded it."""
    asked = {
        key: value
        for key, value in artifact.input.items()
        if value is not None and key not in ("aliases", "tags")
    }  # fmt: skip
    entries = {
        # W&B's own client tells the server where the file was on its machine, too.
        path: {name: value for name, value in entry.items() if name not in ("local_path", "birthArtifactID")}
        for path, entry in artifact.contents.items()
    }
    return {
        "input": asked, "aliases": sorted(artifact.aliases), "version": artifact.version, "state": artifact.state,
        "asked aliases": sorted(one["alias"] for one in artifact.input["aliases"]),
        "tags": [one["tagName"] for one in artifact.input.get("tags") or []],
        "contents": entries, "files": {name: content.kept for name, content in artifact.files.items()},
    }  # fmt: skip


def assert_same_artifacts(ours: StrictServer, theirs: StrictServer) -> None:
    """Two servers hold the same artifacts, versions of a name in the same order."""
    names = {one.name for one in theirs.artifacts.made}
    assert {one.name for one in ours.artifacts.made} == names
    for name in names:
        ours_of_it = [as_told(one) for one in ours.artifacts.versions(name)]
        assert ours_of_it == [as_told(one) for one in theirs.artifacts.versions(name)], name


def assert_whole(server: StrictServer, name: str, files: dict[str, Path], versions: int = 1) -> None:
    """The server holds so many versions of an artifact; the last one has these files."""
    made = server.artifacts.versions(name)
    assert len(made) == versions == len([one for one in server.artifacts.made if one.name == name])
    contents = {path: (entry["digest"], entry["size"]) for path, entry in made[-1].contents.items()}
    assert contents == {path: (digest_of(f.read_bytes()), f.stat().st_size) for path, f in files.items()}
    assert {path: content.digest for path, content in made[-1].files.items()} == {
        path: digest for path, (digest, _size) in contents.items()
    }
