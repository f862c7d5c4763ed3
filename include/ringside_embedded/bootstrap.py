"""The way in of every make target: find a Python that fits, then hand over to `environments`.

This file must parse on any Python 3, however old, so that it can say which one is needed.
"""

import os
import subprocess
import sys

FITTING = ((3, 11), (3, 12))
_ASK = "import sys; sys.stdout.write('%d.%d %s' % (sys.version_info[:2] + (sys.executable,)))"
_NEEDED = """\
Python 3.11 or 3.12 is needed; this is %d.%d (%s), and no python3.12 or python3.11 is on the PATH.
Install one of them and run the same command again, or name it: make run PYTHON=/path/to/python3.12
"""


def main(arguments: "list[str]") -> int:
    """Run `environments.main` on a fitting Python; answer the exit status."""
    if sys.version_info[:2] not in FITTING:
        other = _find_fitting_python()
        if other is None:
            sys.stderr.write(_NEEDED % (sys.version_info[0], sys.version_info[1], sys.executable))
            return 1
        command = [other, os.path.abspath(__file__)]  # noqa: PTH100 -- must parse on any Python 3
        os.execv(other, command + list(arguments))  # noqa: S606 -- our own command
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 -- must parse on any Python 3
    sys.path[0] = os.path.dirname(here)  # noqa: PTH120 -- must parse on any Python 3
    from ringside_embedded import environments

    return environments.main(list(arguments))


def _find_fitting_python() -> "str | None":
    """Ask python3.12 and python3.11 who they are: a shim on the PATH may lead nowhere."""
    for name in ("python3.12", "python3.11"):
        try:
            answer = subprocess.check_output(  # noqa: S603 -- our own command
                [name, "-c", _ASK], stderr=subprocess.DEVNULL
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        version, _, path = answer.decode().partition(" ")
        if version == name[len("python") :]:
            return path
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
