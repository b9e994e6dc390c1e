"""Make `.venv` what pyproject.toml and constraints.txt say; runs on a bare Python 3.11 and does nothing when it is so.

Debian packs `ensurepip`, without which no environment can be made, in python3-venv: for root it is installed, others
are told.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "installed"
OLDEST = (3, 11)


def main() -> None:
    """Raises SystemExit with what to do where the machine lacks something."""
    if sys.version_info < OLDEST:
        sys.exit(f"dropfleet needs Python 3.11 or later; {sys.executable} is {sys.version.split()[0]}")
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    STAMP.unlink(missing_ok=True)
    ensure_venv_module()
    run(sys.executable, "-m", "venv", "--clear", str(VENV))
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--constraint", "constraints.txt", "--editable", ".[dev]")
    STAMP.write_text(wanted)


def fingerprint() -> str:
    """What the environment depends on: the two files, the interpreter, and the folder, which its scripts name."""
    content = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    return hashlib.sha256(content + f"{sys.executable} {sys.version} {ROOT}".encode()).hexdigest()


def ensure_venv_module() -> None:
    if importlib.util.find_spec("ensurepip"):
        return
    if os.geteuid() or not shutil.which("apt-get") or not sys.executable.startswith("/usr/bin/"):
        sys.exit(
            f"{sys.executable} cannot make environments: install its venv module (Debian: apt-get install python3-venv)"
        )
    run("apt-get", "-q", "update", check=False)
    run("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends", "python3-venv")


def run(*command: str, check: bool = True) -> None:
    print("+", " ".join(command), file=sys.stderr, flush=True)  # noqa: T201 (a person waits for it)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    code = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    if check and code:
        sys.exit(f"{command[0]} failed with exit code {code}")


if __name__ == "__main__":
    main()
