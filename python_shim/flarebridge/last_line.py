"""The last line of a receiver's run: what is safe, and what is to care about. Pure; used at END_RUN."""

from typing import Any

from .channel import Channel
from .gate import KEPT
from .words import count_of


def last_line(
    stats: dict[str, Any],
    at_clients: dict[str, int],
    *,
    opening: int,
    runs: int,
    kept: list,
    channel: Channel,
    timeout: float,
    state: str,
) -> tuple[str, str]:
    """The line's level and its text.

    Args:
        stats: the link's.
        at_clients: what forwarders could not keep or were told not to send: reason -> events.
        opening: events that are no logged records: of the session's beginning, and samples of machines.
        runs: of which the logged records are.
        kept: what the site's policy kept out of the runs, by name.
        channel: what NVFlare's own channel lost.
        timeout: seconds that the end might take.
        state: the bridge's state folder, as a command names it.
    """
    waiting = stats["accepted"] - stats["acknowledged"]
    unwritten = stats["unwritten"]
    # The session's end, which is the last event, is no record either.
    records = max(0, stats["acknowledged"] - opening - (0 if waiting else 1))
    text = f"{count_of(records, 'logged record')} of {count_of(runs, 'run')} safe on this machine's disk"
    if stats["bridge_starts"] > 1:
        text += f", the bridge was started {stats['bridge_starts']} times"
    told = sorted(stats["dropped"].items()), sorted(at_clients.items())
    notes = [f"{count} {reason}" for counts in told for reason, count in counts if reason.startswith(KEPT)]
    if kept:
        notes.append("kept out of this site's runs: " + ", ".join(kept))
    reasons = [f"{n} dropped: {reason}" for counts in told for reason, n in counts if not reason.startswith(KEPT)]
    reasons += channel.losses()
    if stats["rejected"]:
        reasons.append(f"{stats['rejected']} rejected by the bridge as malformed (its log says why)")
    if waiting and not stats["off"]:
        reasons.append(f"{waiting} not confirmed within process_timeout={timeout:g} s")
    if stats["finish"] and unwritten != 0:
        reasons.append(
            f"{unwritten or 'some'} of them can't be written with the arguments that they have, and are kept; give "
            f"the right ones with: {stats['finish']}"
        )
    elif unwritten:
        reasons.append(
            f"{unwritten} of them are not in their runs yet; the bridge goes on with them, and if it is ended "
            f"before it is done, finish them with: flarebridge serve --own --state {state}"
        )
    elif unwritten is None and stats["errors"]:
        reasons.append(f"the bridge told {stats['errors']} errors, see above: what they are about is in no run yet")
    return "warning" if reasons else "info", "; ".join([text, *notes, *channel.notes(), *reasons])
