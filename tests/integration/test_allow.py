"""`flarebridge allow` on sites as NVFlare provisions them, judged by the class of NVFlare's that reads the list."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from flarebridge.bridge_process import find_binary
from poc import provision

authorizer = pytest.importorskip(
    "nvflare.app_common.widgets.component_path_authorizer", reason="NVFlare before 2.8 has no list of allowed classes"
)
from nvflare.apis.fl_exception import UnsafeComponentError  # noqa: E402
from nvflare.apis.workspace import Workspace  # noqa: E402

_OURS = ("flarebridge.receiver.BridgeReceiver", "flarebridge.forwarder.BridgeForwarder")


@pytest.fixture(scope="module")
def provisioned(tmp_path_factory) -> Path:
    """The folder with `server` and `site-1`."""
    return provision(tmp_path_factory.mktemp("poc"), sites=1)


@pytest.fixture
def places(provisioned, tmp_path) -> Path:
    """A copy of it, for one test."""
    import shutil

    return Path(shutil.copytree(provisioned, tmp_path / "prod_00"))


def _allow(*arguments: object, given: str = "") -> subprocess.CompletedProcess:
    command = [find_binary(), "allow", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=30)


def _is_allowed(site: Path, component: str) -> bool:
    """What NVFlare says at the start of a job that brings no code."""
    for name in ("startup", "local"):
        assert (site / name).is_dir()
    workspace = Workspace(str(site), site.name)
    try:
        authorizer.ComponentPathAuthorizer().authorize_component_config({"path": component}, workspace=workspace)
    except UnsafeComponentError:
        return False
    return True


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "local").iterdir() if path.is_file()}


@pytest.mark.parametrize("name", ["server", "site-1"])
def test_a_site_that_refuses_our_components_takes_them_behind_it_and_all_others_as_before(places, name):
    site = places / name
    other = "nvflare.app_opt.tracking.wandb.wandb_receiver.WandBReceiver"
    assert [_is_allowed(site, ours) for ours in _OURS] == [False, False]
    before = _files(site)
    done = _allow(site)
    assert done.returncode == 0, done.stderr
    assert f"{site}/local/resources.json" in done.stdout and '"flarebridge." is added' in done.stdout
    assert all(_is_allowed(site, component) for component in (*_OURS, other))
    assert not _is_allowed(site, "flarebridges.other.Class")
    # Nothing else of the resources has changed, and what was there is still to be had.
    after = _files(site)
    kept = before.get("resources.json") or before["resources.json.default"]
    assert kept in [text for file, text in after.items() if file != "resources.json"]
    wanted = json.loads(kept)
    wanted["class_allow_list"].append("flarebridge.")
    assert json.loads(after["resources.json"]) == wanted


def test_a_second_time_changes_nothing(places):
    site = places / "site-1"
    assert _allow(site).returncode == 0
    before = _files(site)
    done = _allow(site)
    assert done.returncode == 0
    assert "nothing is changed" in done.stdout
    assert _files(site) == before


def test_a_dry_run_tells_and_changes_nothing(places):
    before = _files(places / "site-1"), _files(places / "server")
    done = _allow("--dry-run", places / "site-1", places / "server")
    assert done.returncode == 0
    assert done.stdout.count("would be added") == 2
    assert (_files(places / "site-1"), _files(places / "server")) == before


def test_a_file_keeps_its_rights_and_a_link_stays_one(places, tmp_path):
    site = places / "site-1"
    assert _allow(site).returncode == 0
    file = site / "local" / "resources.json"
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps({"class_allow_list": ["nvflare."]}))
    elsewhere.chmod(0o640)
    file.unlink()
    file.symlink_to(elsewhere)
    assert _allow(site).returncode == 0
    assert file.is_symlink()
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o640
    assert json.loads(elsewhere.read_text()) == {"class_allow_list": ["nvflare.", "flarebridge."]}
    assert _is_allowed(site, _OURS[0])


def test_a_site_without_a_list_gets_one_only_with_nvflares_to_begin_with(places):
    site = places / "site-1"
    (site / "local" / "resources.json").write_text('{"format_version": 2}')
    done = _allow(site)
    assert done.returncode == 78
    assert "--list" in done.stderr
    assert (site / "local" / "resources.json").read_text() == '{"format_version": 2}'
    done = _allow("--list", "-", site, given=json.dumps(["nvflare.app_common."]))
    assert done.returncode == 0, done.stderr
    assert _is_allowed(site, _OURS[0]) and _is_allowed(site, "nvflare.app_common.np.np_trainer.NPTrainer")


def test_what_is_no_site_or_can_not_be_edited_is_refused_with_words_and_left_alone(places, tmp_path):
    admin = next(path for path in places.iterdir() if (path / "startup" / "fed_admin.json").exists())
    for folder in (tmp_path / "missing", tmp_path, places / "site-1" / "local", admin):
        done = _allow(folder)
        assert done.returncode == 66
        assert "is no folder of an NVFlare server or client" in done.stderr
        assert done.stderr.count("\n") == 1
    file = places / "site-1" / "local" / "resources.json"
    for text in ("{", '{"class_allow_list": "flarebridge."}'):
        file.write_text(text)
        assert _allow(places / "site-1").returncode == 65
        assert file.read_text() == text
    (places / "server" / "signature.json").write_text("{}")
    before = _files(places / "server")
    done = _allow(places / "server")
    assert done.returncode == 78
    assert "signed" in done.stderr
    assert _files(places / "server") == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_not_be_written_is_told(places):
    local = places / "site-1" / "local"
    local.chmod(0o500)
    try:
        assert _allow(places / "site-1").returncode == 74
    finally:
        local.chmod(0o700)
