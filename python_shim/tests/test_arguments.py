"""Arguments that can't be carried out are found before anything is taken, and said in one line."""

import os

import pytest
from flarebridge.arguments import checked_receivers, with_absolute_dir, without_effect


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"project": "team/project"}, ["wandb_args", "project", "'team/project'", "128 characters", "entity"]),
        ({"project": "p" * 129}, ["project", "128 characters"]),
        ({"project": 5}, ["project = 5", "a text"]),
        ({"dir": 5}, ["dir = 5", "a text"]),
        ({"dir": "/etc/passwd/runs"}, ["dir", "/etc/passwd can't"]),
        ({"name": ["n"]}, ["name = ['n']", "a text"]),
        ({"entity": 1.5}, ["entity = 1.5"]),
        ({"notes": {}}, ["notes = {}"]),
        ({"job_type": True}, ["job_type = True"]),
        ({"id": 3}, ["id = 3"]),
        ({"tags": 5}, ["tags = 5", "a list of texts"]),
        ({"tags": ["a", ""]}, ["tags", "not empty"]),
        ({"config": [1]}, ["config = [1]", "a dict"]),
        ({"prefix_scalars": "yes"}, ["prefix_scalars = 'yes'", "True or False"]),
        ({"system": 0}, ["system = 0", "True or False"]),
        ({"mode": "sometimes"}, ["mode in wandb_args", "'sometimes'", "offline, online or disabled"]),
        ({"mode": ["online"]}, ["mode in wandb_args"]),
        ({"include": 5}, ["include = 5", "glob"]),
        ({"exclude": [1]}, ["exclude = [1]", "glob"]),
        ({"writers": ["WANDB", "EXCEL"]}, ["writers", "EXCEL", "TENSORBOARD, MLFLOW and WANDB"]),
        ({"projekt": "p"}, ["'projekt'", "is it 'project'?"]),
        ({"api_key": "0123"}, ["'api_key'", "does not belong"]),
    ],
)
def test_a_wrong_argument_is_named_with_its_value_and_what_is_right(given, words):
    for arguments in ((given, "offline", None), (None, "offline", {"wandb": given})):
        with pytest.raises(ValueError, match=".") as caught:
            checked_receivers(*arguments)
        text = str(caught.value)
        assert "\n" not in text
        for word in words:
            assert word.replace("wandb_args", "receivers['wandb']" if arguments[0] is None else "wandb_args") in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((["name"], "offline", None), "wandb_args must be a dict"),
        ((None, "onlin", None), "mode 'onlin'"),
        ((None, 5, None), "mode 5"),
        ((None, "offline", {"excel": {}}), "'excel', which is not known; there are 'jsonl', 'wandb'"),
        ((None, "offline", ["wandb"]), "receivers must be a dict"),
        ((None, "offline", {"wandb": "x"}), "receivers must be a dict"),
    ],
)
def test_what_is_wrong_as_a_whole_is_said_too(arguments, words):
    with pytest.raises(ValueError, match=".") as caught:
        checked_receivers(*arguments)
    assert words in str(caught.value)


def test_what_is_right_is_taken_as_it_is(tmp_path):
    given = {
        "name": "n", "project": "p", "entity": "e", "group": "g", "job_type": "j", "notes": "", "tags": ["a", "b"],
        "config": {"lr": 0.1, "deep": {"x": [1]}}, "dir": str(tmp_path / "not" / "there" / "yet"), "id": "i",
        "prefix_scalars": True, "system": False, "include": "loss*", "exclude": ["x"], "sites": [], "writers": "MLFLOW",
    }  # fmt: skip
    assert checked_receivers(given, "online", None) == {"wandb": {**given, "mode": "online"}}
    assert checked_receivers(None, "offline", None) == {"wandb": {"mode": "offline"}}
    nothing = dict.fromkeys(given)
    assert checked_receivers(nothing, "offline", None) == {"wandb": {**nothing, "mode": "offline"}}
    assert not (tmp_path / "not").exists()


def test_modes_are_wandbs_and_a_receivers_own_comes_first():
    assert checked_receivers(None, "dryrun", None)["wandb"]["mode"] == "offline"
    assert checked_receivers(None, "offline", {"wandb": {"mode": "run"}})["wandb"]["mode"] == "online"
    assert checked_receivers(None, "disabled", {"wandb": {"mode": "online"}}) is None
    assert checked_receivers({"mode": "disabled"}, "online", None) is None


def test_receivers_have_arguments_of_their_own(tmp_path):
    given = {"wandb": {"name": "n"}, "jsonl": {"dir": str(tmp_path), "include": "loss*"}}
    assert checked_receivers(None, "online", given) == {
        "wandb": {"name": "n", "mode": "online"}, "jsonl": given["jsonl"]
    }  # fmt: skip
    assert list(checked_receivers(None, "offline", {**given, "wandb": {"mode": "disabled"}})) == ["jsonl"]
    with pytest.raises(ValueError, match="receivers\\['jsonl'\\] has 'project', which is not known"):
        checked_receivers(None, "offline", {"jsonl": {"project": "p"}})


def test_what_wandb_init_takes_and_nothing_here_looks_at_is_left_out_and_told():
    given = {"name": "n", "resume": "allow", "settings": {}, "reinit": True}
    assert checked_receivers(given, "offline", None) == {"wandb": {"name": "n", "mode": "offline"}}
    assert without_effect(given, None) == [
        "arguments of wandb.init's that change nothing here: reinit, resume, settings"
    ]
    assert without_effect(None, None) == []


def test_a_relative_folder_is_meant_from_where_the_process_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/somewhere/of/a/user")
    given = {"dir": "my_logs/./x", "name": "n"}
    assert with_absolute_dir(given) == {"dir": f"{tmp_path}/my_logs/x", "name": "n"}
    assert given["dir"] == "my_logs/./x"
    assert with_absolute_dir({"dir": "~/runs"}) == {"dir": "/somewhere/of/a/user/runs"}
    for same in (None, {}, {"dir": None}, {"dir": 5}, {"dir": ""}, {"dir": "/a/b"}, ["dir"]):
        assert with_absolute_dir(same) == same


def test_a_working_folder_that_is_gone_is_said(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ValueError, match="dir = 'my_logs'; it must be an absolute path"):
        checked_receivers({"dir": "my_logs"}, "offline", None)
    os.chdir("/")
