"""Makes the two Python environments from the locks, with a pinned uv; standard library only.

An environment is whole when its stamp is there: the stamp is written last and names the locks it
was made from. One without a stamp was left half-made and is made anew.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).resolve().parents[2]
IMPORT_ROOTS = ("include", "plugins", "serving")
MIN_FREE_GIB = 3.0
_UV_LOCK = "include/ringside_embedded/uv-requirements.txt"
_NETWORK_WORDS = (
    "error sending request", "failed to fetch", "dns error", "connection", "timed out",
    "no matching distribution", "network", "ssl",
)  # fmt: skip


class SetupError(Exception):
    """An environment could not be made; the message says what failed and what to do."""


@dataclass(frozen=True)
class Environment:
    """One environment: its folder's name and the locks it is made from, relative to the root."""

    name: str
    locks: tuple[str, ...]


PLATFORM = Environment("platform", ("requirements.txt",))
PLATFORM_AND_TESTS = Environment("platform", ("requirements.txt", "tests/requirements.txt"))
SERVING = Environment("serving", ("serving/requirements.txt",))


def main(arguments: list[str]) -> int:
    """Make what the command needs and run it in the platform environment.

    `setup` makes everything that tests need, `uv` only the installer, and both end there; `run`
    makes what the platform needs; every other command makes nothing.
    """
    command = arguments[0] if arguments else "help"
    try:
        if command in {"setup", "uv"}:
            prepare((PLATFORM_AND_TESTS, SERVING) if command == "setup" else ())
            return 0
        if command == "run":
            prepare((PLATFORM, SERVING))
    except SetupError as error:
        _say(f"\n{error}\n")
        return 1
    python = environments_dir() / "platform" / "bin" / "python"
    if python.exists():
        _hand_over(python, arguments)
    _say("Nothing has been set up here yet: `make run` does it.\n")
    return 0


def environments_dir() -> Path:
    """Give the folder of the environments: `RINGSIDE_ENV_DIR`, else `.ringside/env`."""
    named = os.environ.get("RINGSIDE_ENV_DIR")
    return Path(named).resolve() if named else ROOT / ".ringside" / "env"


def prepare(wanted: Sequence[Environment], *, root: Path = ROOT) -> None:
    """Make or bring up to date each environment that is not whole; milliseconds when all are.

    The installer is made on the way; with nothing wanted it is all that is made.

    Raises:
        SetupError: something is missing on this machine, or a download failed.
    """
    base = environments_dir()
    if wanted and all(is_whole(base / e.name, e, root) for e in wanted):
        return
    base.mkdir(parents=True, exist_ok=True)
    with _only_one(base):
        _require_room(base)
        uv = _make_uv(base, root)
        for environment in wanted:
            if not is_whole(base / environment.name, environment, root):
                _make(uv, base / environment.name, environment, root)


def is_whole(folder: Path, environment: Environment, root: Path) -> bool:
    """Say whether `folder` was made to the end from the locks as they are now."""
    stamp = _read_stamp(folder)
    wanted = _fingerprint(environment, root)
    return (folder / "bin" / "python").exists() and wanted.items() <= stamp.items()


def _fingerprint(environment: Environment, root: Path) -> dict[str, str]:
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest()
            for name in environment.locks}  # fmt: skip


def _read_stamp(folder: Path) -> dict[str, str]:
    try:
        stamp: dict[str, str] = json.loads((folder / "ringside-stamp.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    # An environment's scripts name its folder, so one that was moved is not whole.
    return stamp if stamp.get("folder") == str(folder) else {}


def _write_stamp(folder: Path, environment: Environment, root: Path) -> None:
    target = folder / "ringside-stamp.json"
    draft = target.with_suffix(".tmp")
    draft.write_text(json.dumps({"folder": str(folder), **_fingerprint(environment, root)}))
    draft.replace(target)


def _make(uv: Path, folder: Path, environment: Environment, root: Path) -> None:
    """Fill `folder` from the locks; the stamp goes first and comes back last."""
    started = time.monotonic()
    _say(f"[setup] {environment.name} environment, from {' and '.join(environment.locks)} ... ")
    was_whole = bool(_read_stamp(folder))
    (folder / "ringside-stamp.json").unlink(missing_ok=True)
    if not was_whole:
        _run([str(uv), "venv", "--clear", "--python", sys.executable, str(folder)], "uv venv")
    command = [str(uv), "pip", "install", "--require-hashes", "--compile-bytecode", "--exact"]
    command += ["--python", str(folder / "bin" / "python")]
    for name in environment.locks:
        command += ["-r", str(root / name)]
    _run(command, f"installing the {environment.name} environment")
    _write_import_roots(folder, root)
    _write_stamp(folder, environment, root)
    _say(f"{time.monotonic() - started:.0f} s\n")


def _write_import_roots(folder: Path, root: Path) -> None:
    """Let the environment's Python import the project's packages from where they lie."""
    for site_packages in folder.glob("lib/python3.*/site-packages"):
        lines = "\n".join(str(root / name) for name in IMPORT_ROOTS)
        (site_packages / "ringside.pth").write_text(lines + "\n")


def _make_uv(base: Path, root: Path) -> Path:
    """Make the small environment that holds uv, checked by hash; give uv's path."""
    folder = base / "bootstrap"
    environment = Environment("bootstrap", (_UV_LOCK,))
    uv = folder / "bin" / "uv"
    if is_whole(folder, environment, root) and uv.exists():
        return uv
    try:
        import ensurepip  # noqa: F401 -- Debian leaves it out of python3
        import venv  # noqa: F401 -- likewise
    except ImportError as error:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            f"This Python ({sys.executable}) cannot make environments: its `venv` module is "
            f"missing.\nOn Debian or Ubuntu: apt install python{version}-venv (or python3-venv); "
            "then run the same command again."
        ) from error
    started = time.monotonic()
    _say("[setup] uv, the installer ... ")
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)], "python -m venv")
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    _run([*command, "--require-hashes", "-r", str(root / _UV_LOCK)], "installing uv")
    _write_stamp(folder, environment, root)
    _say(f"{time.monotonic() - started:.0f} s\n")
    return uv


def _run(command: list[str], what: str) -> None:
    """Run one set-up command in silence; what it said goes into the error if it fails."""
    done = subprocess.run(  # noqa: S603 -- our own command
        command, env=_variables(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return
    end = "\n".join(f"    {line}" for line in done.stdout.strip().splitlines()[-12:])
    raise SetupError(
        f"Set-up failed: {what} ended with status {done.returncode}.\n{end}\n{_advise(done.stdout)}"
    )


def _advise(output: str) -> str:
    words = output.lower()
    if "no space left" in words:
        return "The disk is full: free some room and run the same command again."
    if any(word in words for word in _NETWORK_WORDS):
        return (
            "The package registry could not be reached, or does not have this package. Check the "
            "network;\nbehind a proxy or with a mirror set HTTPS_PROXY or PIP_INDEX_URL. Then run "
            "the same command again:\nwhat was downloaded is kept."
        )
    return f"Run the same command again; should it fail the same way, remove {environments_dir()}."


def _variables() -> dict[str, str]:
    """Give uv the mirror and the certificates that pip is told of, and let bytecode be written."""
    variables = dict(os.environ)
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        variables.pop(name, None)
    for pip_name, uv_name in (
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_CERT", "SSL_CERT_FILE"),
    ):
        if pip_name in variables:
            variables.setdefault(uv_name, variables[pip_name])
    return variables


def _require_room(folder: Path) -> None:
    free_gib = shutil.disk_usage(folder).free / 2**30
    if free_gib < MIN_FREE_GIB:
        raise SetupError(
            f"Set-up needs {MIN_FREE_GIB:.0f} GiB of free disk; {folder} has {free_gib:.1f} GiB.\n"
            "Free some room, or put the environments elsewhere: RINGSIDE_ENV_DIR=/other/folder."
        )


@contextmanager
def _only_one(base: Path) -> Iterator[None]:
    """Hold the set-up lock; the kernel lets go of it when this process ends, however it ends."""
    with (base / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise SetupError(
                f"Another make is setting up these environments ({file.read().strip()}).\n"
                "Wait until it is done and run the same command again."
            ) from error
        _sign(file)
        yield


def _sign(file: IO[str]) -> None:
    file.truncate(0)
    file.write(f"process {os.getpid()}, since {time.strftime('%H:%M:%S')}")
    file.flush()


def _hand_over(python: Path, arguments: list[str]) -> NoReturn:
    variables = dict(os.environ)
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME"):
        variables.pop(name, None)
    variables["PYTHONPATH"] = os.pathsep.join(str(ROOT / name) for name in IMPORT_ROOTS)
    sys.stderr.flush()
    command = [str(python), "-m", "ringside_embedded", *arguments]
    os.execve(python, command, variables)  # noqa: S606 -- our own command


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
