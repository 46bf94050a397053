"""The numbers of the protocol between a shim and a bridge, as events/README.md of the project has them."""

from enum import IntEnum


class FromShim(IntEnum):
    """Kinds of messages to the bridge."""

    HELLO, BATCH, PING, BYE = 1, 2, 3, 4


class FromBridge(IntEnum):
    """Kinds of messages to the shim."""

    WELCOME, ACK, NOTICE, REFUSAL = 1, 2, 3, 4


class Notice(IntEnum):
    """What a notice is beyond its words. One that is not known is words."""

    WORDS, STOP = 0, 1


class Refusal(IntEnum):
    """Why the bridge does not take something."""

    UNKNOWN_SESSION, VERSION, MALFORMED, FORBIDDEN, GAP, FULL = 1, 2, 3, 4, 5, 6


# The refusals after which the shim says hello again.
ASK_AGAIN = (Refusal.UNKNOWN_SESSION, Refusal.GAP)
