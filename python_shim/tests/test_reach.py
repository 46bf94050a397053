"""When a bridge counts as out of reach: the table, with a clock of the test's."""

from flarebridge.reach import Reach, Step


class _Thread:
    """Asks as the link does: once a turn."""

    def __init__(self, running: bool = True):
        self.now = 100.0
        self.running, self.socket_there = running, True
        self.reach = Reach(self.now)

    def look(self, seconds: float, turn: float = 0.25) -> list:
        """What is due within the seconds, with the time since the beginning of this look."""
        began, due = self.now, []
        while self.now < began + seconds:
            self.now += turn
            step = self.reach.step(self.now, self.running, self.socket_there)
            if step is not Step.WAIT:
                due.append((step, self.now - began))
        return due


def test_a_bridge_that_speaks_is_left_alone():
    thread = _Thread()
    for _ in range(100):
        thread.reach.heard(thread.now)
        assert thread.look(1.0) == []


def test_after_ten_seconds_of_silence_the_connection_is_made_anew():
    thread = _Thread()
    thread.reach.heard(thread.now)
    assert thread.look(11.0) == [(Step.CONNECT, 10.25)]


def test_a_person_is_told_and_the_bridge_replaced_within_thirty_seconds():
    thread = _Thread()
    thread.reach.heard(thread.now)
    due = dict(reversed(thread.look(30.0)))
    assert due[Step.TELL] < 15
    assert due[Step.TELL] < due[Step.REPLACE] < 30


def test_each_is_done_once_until_it_speaks_again():
    thread = _Thread()
    thread.reach.heard(thread.now)
    steps = [step for step, _ in thread.look(300.0)]
    assert steps.count(Step.TELL) == 1
    assert steps.count(Step.REPLACE) == 1
    assert thread.reach.heard(thread.now)  # a person is told of that, too
    assert not thread.reach.heard(thread.now)
    assert [step for step, _ in thread.look(300.0)].count(Step.TELL) == 1


def test_a_bridge_whose_socket_is_gone_is_replaced_at_once():
    thread = _Thread()
    thread.reach.heard(thread.now)
    thread.socket_there = False
    due = dict(thread.look(13.0))
    assert due[Step.REPLACE] - due[Step.CONNECT] < 1.5


def test_a_shared_bridge_is_never_replaced():
    thread = _Thread(running=False)
    thread.reach.heard(thread.now)
    assert Step.REPLACE not in dict(thread.look(1000.0))


def test_one_that_takes_long_to_start_is_waited_for_and_told_of():
    thread = _Thread(running=False)
    assert dict(thread.look(60.0))[Step.TELL] <= 10.5
    thread.running = True
    assert Step.REPLACE not in dict(thread.look(12.0))  # it could not answer before
    assert Step.REPLACE in dict(thread.look(12.0))


def test_a_suspended_job_says_nothing_about_the_bridge():
    thread = _Thread()
    thread.reach.heard(thread.now)
    thread.now += 3600
    assert thread.look(0.25) == [(Step.CONNECT, 0.25)]
    assert thread.look(2.0) == []
    thread.now += 3600
    assert Step.REPLACE not in dict(thread.look(3.0))


def test_the_next_bridge_has_its_time():
    thread = _Thread()
    thread.reach.heard(thread.now)
    thread.look(30.0)
    thread.reach.begin(thread.now)
    assert thread.look(9.0) == []
