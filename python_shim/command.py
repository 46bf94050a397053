#!/usr/bin/env python3
"""The command `flarebridge` of a wheel: goes on as the program, which lies in the package.

It stands before every call, so that it imports nothing of the package, and little else.
"""

import os
import sys


def _program() -> str:
    # `pip install --target FOLDER` puts this file into FOLDER/bin and the package into FOLDER, which is on no path.
    beside = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for folder in [beside, *sys.path]:
        program = os.path.abspath(os.path.join(folder, "flarebridge", "bin", "flarebridge"))
        if os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    sys.stderr.write(f"flarebridge: error: the program is not in the package that {sys.executable} finds; install the "
                     "flarebridge wheel again\n")  # fmt: skip
    sys.exit(127)  # a shell's word for a command that is not there


if __name__ == "__main__":
    program = _program()
    os.execv(program, [program, *sys.argv[1:]])
