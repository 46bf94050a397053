"""Submits a job to NVFlare's server as an admin, and waits for its end: `submit.py ADMIN_KIT JOB`, in the image."""

import contextlib
import sys
import time

from nvflare.fuel.flare_api.flare_api import Session, new_secure_session

_START, _END = 120, 240  # seconds that server and site may take to start, and the job to end


def _connect(kit: str, sites: int) -> Session:
    """A session as soon as the server answers and has its sites."""
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            session = new_secure_session("admin@nvidia.com", kit)
            while time.monotonic() < deadline:
                if len(session.get_system_info().client_info) == sites:
                    return session
                time.sleep(0.5)  # between two questions
        time.sleep(0.5)
    raise SystemExit(f"submit: no server with {sites} sites within {_START} s")


def main() -> int:
    session = _connect(sys.argv[1], sites=1)
    job = session.submit_job(sys.argv[2])
    deadline = time.monotonic() + _END
    status = ""
    while not status.startswith("FINISHED") and time.monotonic() < deadline:
        time.sleep(0.5)
        status = str(session.get_job_meta(job).get("status"))
    session.close()
    print(f"submit: {status}")
    return 0 if status == "FINISHED:COMPLETED" else 1


if __name__ == "__main__":
    sys.exit(main())
