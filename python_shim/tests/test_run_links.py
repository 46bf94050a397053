"""Where a receiver says that its runs are: the group's page, or the command that uploads them."""

import pytest
from flarebridge.run_links import RunLinks

_OPENED = ("job-1", "my run", "server", "/results of/it")
_PAGE = "View group at https://wandb.ai/team/project/groups/my%20run-job-1"


def _links(mode="online", endpoint=None, fetched=False, **arguments) -> RunLinks:
    links = RunLinks()
    links.begin({"mode": mode, **arguments}, _OPENED, endpoint, fetched)
    return links


def test_the_page_of_the_group_is_said_again_at_the_end():
    links = _links()
    assert links.at_end() == []
    for said in ("View run at https://wandb.ai/team/project/runs/x", _PAGE, "and something else"):
        assert links.heard(said) is said
    assert links.at_end() == [("info", _PAGE)]


@pytest.mark.parametrize("name", ["my%20run-job-2", "xmy%20run-job-1", "my%20run-job-1%2Fgroups", ""])
def test_the_page_of_another_jobs_group_is_not(name):
    links = _links(endpoint="ipc:///shared")
    links.heard(f"View group at https://wandb.ai/team/project/groups/{name}")
    assert links.at_end() == []


def test_a_group_is_found_whatever_letters_it_has():
    links = RunLinks()
    links.begin({"mode": "online"}, ("j", "ä/groups/ß", "server", "/x"), None, False)
    page = "View group at https://wandb.ai/t/p/groups/%C3%A4%2Fgroups%2F%C3%9F-j"
    links.heard(page)
    assert links.at_end() == [("info", page)]


def test_offline_runs_are_said_with_the_command_that_uploads_them():
    (said,) = _links("offline").at_end()
    assert said == ("info", "upload the runs with: flarebridge sync '/results of/it'")
    assert _links("offline", dir="/own").at_end()[0][1] == "upload the runs with: flarebridge sync /own"
    assert _links("offline", fetched=True, dir="/own").at_end() == _links("offline", dir="/own").at_end()
    fetched = _links("offline", fetched=True).at_end()[0][1]
    assert fetched.endswith("'/results of/it', or where NVFlare has put the job's results by then")
    assert _links("offline", "ipc:///shared").at_end()


def test_nothing_is_said_where_there_is_nothing_to_say():
    assert RunLinks().at_end() == []
    assert _links("offline", "tcp://elsewhere:1").at_end() == []  # on its machine
    links = RunLinks()
    links.begin(None, _OPENED, None, False)
    assert links.at_end() == []


def test_a_second_run_of_the_same_receiver_begins_anew():
    links = _links()
    links.heard(_PAGE)
    links.begin({"mode": "online"}, ("job-2", *_OPENED[1:]), None, False)
    assert links.at_end() == []
