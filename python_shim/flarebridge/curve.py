"""Keys with which a job reaches a shared bridge over tcp. The files are those of `flarebridge keygen`."""

import os
import re
import stat
from typing import NamedTuple, Optional

# Where the files are, if the job does not say: the machine's affair, not the job's.
KEY, SERVER_KEY = "FLAREBRIDGE_CLIENT_KEY", "FLAREBRIDGE_SERVER_KEY"
_LINE = re.compile(r'^\s*(public|secret)-key\s*=\s*"([!-~]{40})"\s*$', re.MULTILINE)


class Keys(NamedTuple):
    """In Z85."""

    public: bytes
    secret: bytes
    server: bytes


def find_keys(key: Optional[str], server_key: Optional[str]) -> Optional[Keys]:
    """The keys in this machine's files: `key` is the client's NAME.key_secret, `server_key` the bridge's NAME.key.

    Without arguments they come from the environment (KEY, SERVER_KEY). None: there are none. Raises ValueError.
    """
    key = key or os.environ.get(KEY)
    server_key = server_key or os.environ.get(SERVER_KEY)
    if not key and not server_key:
        return None
    if not key or not server_key:
        raise ValueError("a client's key and the bridge's public key belong together (curve_key, curve_server_key)")
    own, server = _read(key), _read(server_key)
    if "secret" not in own:
        raise ValueError(f"{key} holds no secret key: name the file that ends in .key_secret")
    return Keys(own["public"], own["secret"], server["public"])


def _read(path: str) -> dict[str, bytes]:
    try:
        with open(path) as file:
            text = file.read(4096)
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except (OSError, UnicodeDecodeError) as e:
        raise ValueError(f"the key file {path} can't be read: {e}") from None
    found = {kind: value.encode() for kind, value in _LINE.findall(text)}
    if "public" not in found:
        raise ValueError(f"{path} holds no CURVE key; make some with: flarebridge keygen NAME")
    if "secret" in found and mode & 0o077:
        raise ValueError(f"{path} holds a secret that other users may read; make its mode 0600")
    return found
