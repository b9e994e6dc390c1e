"""The account that PostgreSQL runs under: it refuses to run as root.

Started by root, it runs as `nobody`. Where a parent of its files is closed to `nobody` (a checkout in /root or in a
temporary folder), it is given the one capability that lets it pass, rather than opening people's folders to everybody.
"""

import os
import pwd
import re
import stat
from pathlib import Path

ACCOUNT = "nobody"
CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}  # the lesser one first; numbers from linux/capability.h


def hand_over(path: Path) -> None:
    """Give a file or folder to the account, when we are root."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(ACCOUNT)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def unprivileged(*files: Path) -> list[str]:
    """What to put before a command so that it does not run as root; `files` are what it must be able to reach."""
    if os.geteuid() != 0:
        return []
    group = str(pwd.getpwnam(ACCOUNT).pw_gid)
    command = ["/usr/bin/setpriv", f"--reuid={ACCOUNT}", f"--regid={group}", "--clear-groups"]
    if all(is_reachable(file) for file in files):
        return command
    capability = passing_capability()
    # Without no_setuid_fixup the kernel ignores the capability when a program asks access(2), as PostgreSQL does.
    passing = [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}", "--securebits=+no_setuid_fixup"]
    return [*command, *passing]


def is_reachable(file: Path) -> bool:
    """Whether everybody may pass through all folders above it."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in file.parents)


def passing_capability() -> str:
    """The capability to pass closed folders that we hold. Raises PermissionError when we hold none."""
    status = Path("/proc/self/status").read_text()
    held = re.search(r"^CapPrm:\s*([0-9a-f]+)$", status, re.MULTILINE)
    for name, number in CAPABILITIES.items():
        if held and int(held[1], 16) & 1 << number:
            return name
    raise PermissionError(
        f"PostgreSQL runs as {ACCOUNT}, who cannot reach its files: move the checkout to an open folder"
    )
