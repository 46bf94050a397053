"""Ports of the simulator's workers that nobody else is given.

The simulator looks for a free port for each worker, lets go of it, and the worker listens there seconds later. If
somebody else listens there by then, the worker ends ("Address already in use"), the simulator talks to that other
listener, and the job waits for this site for ever (seen within one job of 8 sites; NVFlare 2.5 to 2.9).
"""

import socket

_kept: list[socket.socket] = []  # for as long as this process lives


def keep_workers_apart() -> None:
    """From now on workers of simulators in this process, and in those that it forks, have their ports to themselves."""
    from nvflare.private.fed.app.simulator import simulator_runner

    simulator_runner.get_open_ports = _take_ports


def _take_ports(number: int) -> list[int]:
    """Free ports, which stay bound.

    As both set SO_REUSEADDR, a worker may listen there. Linux gives such a port to nobody who asks for any port, be it
    to bind or to connect (tried with 41 ports, all others taken).
    """
    taken = [socket.socket() for _ in range(number)]
    for one in taken:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("", 0))
    _kept.extend(taken)
    return [one.getsockname()[1] for one in taken]
