"""The environment variables by which a training process finds the forwarder of its site (trainer_link.py).

By themselves, since a script that asks for them may be in no job at all.
"""

ENDPOINT = "FLAREBRIDGE_TRAINER_LINK"
ENDPOINT_OF = "FLAREBRIDGE_TRAINER_LINK_OF"  # the process of the component, which has the variable, too
