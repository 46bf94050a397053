"""`flarebridge sync` of runs with artifacts: what `wandb sync` would bring there, once, and nothing of it twice."""

import base64
import random
import shutil
from pathlib import Path
from typing import Optional

import pytest
import wandb_tools
from artifacts import (
    assert_same_artifacts,
    assert_whole,
    copy_of,
    digest_of,
    log_by_sdk,
    make_files,
    make_run,
    record,
)
from faulty_server import FaultyServer, at_random
from run_log_writer import container
from strict_server import Request, StrictServer
from sync import sync as wandb_sync
from uploads import DEADLINE, environment, is_marked, kill_after, same_run, start_sync, sync


def test_wandb_sync_and_flarebridge_sync_leave_the_same_artifacts(tmp_path):
    made = log_by_sdk(tmp_path)
    ours, theirs = copy_of(made, tmp_path / "ours"), copy_of(made, tmp_path / "theirs")
    with StrictServer() as server, StrictServer() as other:
        done = sync(ours, environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert is_marked(next(ours.glob("run-*.wandb")))
        wandb_sync(theirs, other)
        assert not server.violations and not other.violations
        assert_same_artifacts(server, other)
        (run,), (wandbs,) = server.runs.values(), other.runs.values()
        same_run(run, wandbs)
        assert len(run.alerts) == 1
        # No path of this machine has left it, but in references that the user has made.
        for artifact in server.artifacts.made:
            assert b"local_path" not in artifact.manifest.kept

        # What is there is not sent again, by whoever.
        asked = server.calls.count("CreateArtifactFiles")
        assert sync(ours, environment(tmp_path, server), "--again").returncode == 0
        assert server.calls.count("CreateArtifactFiles") == asked
        assert len(server.artifacts.made) == len(other.artifacts.made)
        assert not server.violations


def test_versions_of_one_name_go_in_order_and_names_beside_each_other(tmp_path):
    files = make_files(tmp_path / "data", 3)
    versions = []
    for number in range(4):
        own = make_files(tmp_path / f"data{number}", 1)
        versions.append((own, record("set", {**files, "own": own["f0"]}, aliases=("latest", f"n{number}"))))
    others = [record(f"other{number}", make_files(tmp_path / f"other{number}", 2)) for number in range(5)]
    log = make_run(tmp_path / "runs", "many", [one for _own, one in versions] + others)
    with StrictServer() as server:
        done = sync(tmp_path / "runs", environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert is_marked(log)
        made = server.artifacts.versions("set")
        assert [one.input["clientID"] for one in made] == [one.artifact.client_id for _own, one in versions]
        assert [one.aliases for one in made] == [["n0"], ["n1"], ["n2"], ["latest", "n3"]]
        assert_whole(server, "set", {**files, "own": versions[-1][0]["f0"]}, versions=4)
        # Files that an earlier version has are not sent anew.
        assert [server.calls.count(f"PUT {name}") for name in ("own", "f0", "f1", "f2")] == [4, 6, 6, 1]
        assert not server.violations


def test_missing_content_is_named_and_the_run_is_not_marked(tmp_path):
    gone, kept = make_files(tmp_path / "gone", 3), make_files(tmp_path / "kept", 2)
    log = make_run(tmp_path / "runs", "lacks", [record("gone", gone), record("kept", kept)])
    shutil.move(gone["f1"], tmp_path / "away")
    with StrictServer() as server:
        done = sync(tmp_path / "runs", environment(tmp_path, server))
        assert done.returncode == 1
        assert f"not uploaded: the artifact gone: its file f1: {gone['f1']} can't be" in done.stderr
        assert not is_marked(log)
        assert server.run("lacks").complete and len(server.run("lacks").rows) == 5
        assert_whole(server, "kept", kept)
        assert not server.artifacts.versions("gone") and "gone" not in [one.name for one in server.artifacts.made]

        # Other content in its place is not what was logged.
        gone["f1"].write_bytes(b"x" * 100)
        done = sync(tmp_path / "runs", environment(tmp_path, server))
        assert f"its file f1: {gone['f1']} is not what it was when it was logged" in done.stderr
        assert done.returncode == 1 and not is_marked(log)

        # Below the run's folder it is found wherever that lies.
        own = log.parent / "artifacts"
        own.mkdir()
        digest = digest_of((tmp_path / "away").read_bytes())
        shutil.move(tmp_path / "away", own / base64.b64decode(digest).hex())
        done = sync(tmp_path / "runs", environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert is_marked(log)
        assert len(server.artifacts.versions("gone")[0].files) == 3
        assert not server.violations


@pytest.mark.parametrize("share", [0.2])
def test_kills_at_any_moment_leave_every_artifact_exactly_once(tmp_path, share):
    draw = random.Random(5)
    wanted = {}
    for number in range(12):
        names = [(f"a{number}", make_files(tmp_path / f"{number}-{part}", 5, size=20_000)) for part in range(2)]
        wanted[f"a{number}"] = names[-1][1]
        make_run(tmp_path / "runs", f"run{number}", [record(name, files) for name, files in names])
    with FaultyServer(at_random(seed=2, share=share)) as server:
        environ = environment(tmp_path, server)
        for _ in range(15):
            kill_after(start_sync(tmp_path / "runs", environ), draw.random() * 0.5)
        done = sync(tmp_path / "runs", environ)
        assert done.returncode == 0, done.stderr
        for name, files in wanted.items():
            assert_whole(server, name, files, versions=2)
        assert not [told for told in server.violations if "in flight" not in told]


def _at(operation: bytes, kind: str, times: int):
    """The first so many requests with these words meet a fault."""
    left = [times]

    def fault(request: Request) -> Optional[str]:
        if operation not in request.body and operation.decode() not in request.path:
            return None
        left[0] -= 1
        return kind if left[0] >= 0 else None

    return fault


@pytest.mark.parametrize("kind", ["500", "429", "reset after", "garbage", "page"])
@pytest.mark.parametrize(
    "operation",
    [b"CreateArtifact(", b"CreateArtifactManifest(", b"CreateArtifactFiles(", b"CommitArtifact(", b"/artifact-storage"],
)
def test_what_passes_is_got_over(tmp_path, operation, kind):
    files = make_files(tmp_path / "data", 2)
    log = make_run(tmp_path / "runs", "one", [record("set", files)])
    with FaultyServer(_at(operation, kind, 2)) as server:
        done = sync(tmp_path / "runs", environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert set(server.faults) == {kind}
        assert_whole(server, "set", files)
        assert is_marked(log)
        assert not server.violations


@pytest.mark.parametrize("kind", ["400", "403", "404", "409"])
@pytest.mark.parametrize("operation", [b"CreateArtifact(", b"CreateArtifactFiles(", b"CommitArtifact("])
def test_what_is_refused_is_given_up_and_named_and_all_else_arrives(tmp_path, operation, kind):
    refused, other = make_files(tmp_path / "data", 2), make_files(tmp_path / "other", 2)
    log = make_run(tmp_path / "runs", "one", [record("set", refused)])
    make_run(tmp_path / "runs", "two", [record("other", other)])

    def fault(request: Request) -> Optional[str]:
        of_it = b'"set"' in request.body or server.artifacts.made and server.artifacts.made[0].name == "set"
        return kind if operation in request.body and of_it else None

    with FaultyServer(fault) as server:
        done = sync(log.parent, environment(tmp_path, server))
        assert done.returncode == 1
        assert "not uploaded: the artifact set: " in done.stderr and f"was refused: status {kind}" in done.stderr
        assert not is_marked(log)
        assert len(server.run("one").rows) == 5


def test_addresses_that_have_expired_are_asked_for_anew(tmp_path):
    files = make_files(tmp_path / "data", 3)
    make_run(tmp_path / "runs", "one", [record("set", files)])
    with FaultyServer(_at(b"/artifact-storage/", "403", 2)) as server:
        done = sync(tmp_path / "runs", environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert server.calls.count("CreateArtifactFiles") == 3
        assert_whole(server, "set", files)


def _sparse(file: Path, size: int) -> Path:
    """A file of zeros with something at both ends, which takes no room on the disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        out.write(b"begin")
        out.seek(size - 3)
        out.write(b"end")
    return file


def test_a_file_of_two_gib_goes_in_parts_and_goes_on_with_those_that_lack(tmp_path):
    size = (2 << 30) + (5 << 20) + 17
    large = record("large", {"weights.pt": _sparse(tmp_path / "data" / "weights.pt", size)})
    log = make_run(tmp_path / "runs", "one", [large], rows=50)
    environ = environment(tmp_path, WANDB_HTTP_TIMEOUT="60")
    with StrictServer() as server:
        environ.update(WANDB_BASE_URL=server.url, WANDB_API_KEY=server.key)
        process = start_sync(tmp_path / "runs", environ)
        try:
            server.wait_for(lambda held: len([call for call in held.calls if "#" in call]) > 6, seconds=DEADLINE)
            # Rows are not behind it, and memory does not grow with it.
            assert len(server.run("one").rows) == 50
            assert _memory_of(process.pid) < 100 << 20
        finally:
            process.kill()
            process.communicate(timeout=DEADLINE)
        assert not server.artifacts.versions("large")
        done = sync(tmp_path / "runs", environ)
        assert done.returncode == 0, done.stderr
        (made,) = server.artifacts.made
        assert made.state == "COMMITTED" and made.files["weights.pt"].size == size
        assert is_marked(log)
        assert server.calls.count("CompleteMultipartUploadArtifact") == 1
        assert server.calls.count("CreateArtifactFiles") == 1, "it was begun anew"
        parts = [call for call in server.calls if "#" in call]
        assert len(set(parts)) == 21 and len(parts) <= 21 + 4, "parts that were there were sent again"
        assert not server.violations


def _memory_of(pid: int) -> int:
    """Bytes that a process has had in memory at most."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) << 10


def test_a_storage_that_has_forgotten_of_parts_gets_them_anew(tmp_path):
    large = record("large", {"weights.pt": _sparse(tmp_path / "data" / "weights.pt", 2 << 30)})
    make_run(tmp_path / "runs", "one", [large])
    left = [1]

    def fault(request: Request) -> Optional[str]:
        if not server.file_at(request.path).endswith("#3") or not left:
            return None
        left.pop()
        return "403"

    with FaultyServer(fault) as server:
        done = sync(tmp_path / "runs", environment(tmp_path, server, WANDB_HTTP_TIMEOUT="60"))
        assert done.returncode == 0, done.stderr
        assert server.calls.count("CreateArtifactFiles") == 2
        assert server.artifacts.versions("large")[0].files["weights.pt"].size == 2 << 30
        assert not server.violations


def test_rows_of_a_run_that_goes_on_do_not_wait_for_its_artifacts(tmp_path):
    files = make_files(tmp_path / "data", 4, size=600_000)
    artifact = record("set", files)
    log = make_run(tmp_path / "made", "one", [artifact], rows=0, end=None)
    begun = [one.SerializeToString() for one in wandb_tools.records(log)]
    later = [one.SerializeToString() for one in wandb_tools.records(make_run(tmp_path / "later", "one", [], rows=300))]
    with StrictServer() as server:
        server.storage_speed = 300_000  # 2 s for each
        process = start_sync(tmp_path / "made", environment(tmp_path, server), "--watch")
        try:
            server.wait_for(lambda held: "CreateArtifactFiles" in held.calls)
            log.write_bytes(container(begun + later[2:]))
            server.wait_for(lambda held: len(held.run("one").rows) == 300)
            assert not server.artifacts.versions("set"), "the rows came behind the artifact"
            server.wait_for(lambda held: held.run("one").complete)
            assert_whole(server, "set", files)
        finally:
            process.terminate()
            _out, err = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, err
        assert not server.violations


def test_a_run_that_uses_an_artifact_says_so(tmp_path):
    files = make_files(tmp_path / "data", 1)
    make_run(tmp_path / "first", "one", [record("set", files, use_after_commit=True)])
    with StrictServer() as server:
        assert sync(tmp_path / "first", environment(tmp_path, server)).returncode == 0
        (artifact,) = server.artifacts.made
        assert artifact.used_by == ["one"]
        used = record("set", files)
        used.use_artifact.id = artifact.id
        used.use_artifact.name = "set:latest"
        make_run(tmp_path / "second", "two", [used])
        done = sync(tmp_path / "second", environment(tmp_path, server))
        assert done.returncode == 0, done.stderr
        assert artifact.used_by == ["one", "two"]
        assert not server.violations
