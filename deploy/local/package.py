"""RabbitMQ's system package: where its server is, or how it gets onto this machine.

RabbitMQ needs Erlang and has no wheel, so it is the one thing that the private stack takes from the system. The package
is installed with its service kept from starting: a policy file for Debian's init scripts says no while apt runs.
"""

import asyncio
import os
import shutil
from pathlib import Path

# Debian's /usr/sbin/rabbitmq-server is a wrapper that changes to the user `rabbitmq`; the real script comes first.
PACKAGE_FOLDER = Path("/usr/lib/rabbitmq/bin")
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/sbin:/opt/homebrew/bin"

INSTALL = """
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\\nexit 101\\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt-get -q update || true
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends rabbitmq-server
"""

ADVICE = (
    "Install RabbitMQ 3.10 or later (Debian, Ubuntu: `apt-get install rabbitmq-server` as root), or start "
    "deploy/local/compose.yaml with Docker and set the variables that it names, or set FLEET_AMQP_URL and "
    "FLEET_MANAGEMENT_URL to a server that runs already."
)


class RabbitMQMissing(RuntimeError):
    """RabbitMQ is not installed here and cannot be installed by this user."""


async def ensure_rabbitmq() -> Path:
    """The path of the `rabbitmq-server` script; installs the system package when it is missing.

    Raises RabbitMQMissing, with what to do, where apt or the right to use it is missing, or where apt fails.
    """
    if script := find_rabbitmq():
        return script
    command = await install_command()
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    if script := find_rabbitmq():
        return script
    raise RabbitMQMissing(f"apt could not install rabbitmq-server: {tail(output)}\n{ADVICE}")


def find_rabbitmq() -> Path | None:
    """The script that starts a server as the current user, or None."""
    found = shutil.which("rabbitmq-server", path=f"{PACKAGE_FOLDER}:{SEARCH_PATH}")
    return Path(found) if found else None


async def install_command() -> list[str]:
    """The command that installs the package, run by root or through a sudo that asks no password."""
    if shutil.which("apt-get", path=SEARCH_PATH) is None:
        raise RabbitMQMissing(f"RabbitMQ is not installed, and there is no apt-get to install it with. {ADVICE}")
    if os.geteuid() == 0:
        return ["sh", "-c", INSTALL]
    if shutil.which("sudo", path=SEARCH_PATH) and await sudo_asks_nothing():
        return ["sudo", "-n", "sh", "-c", INSTALL]
    raise RabbitMQMissing(f"RabbitMQ is not installed, and only root may install it. {ADVICE}")


async def sudo_asks_nothing() -> bool:
    process = await asyncio.create_subprocess_exec(
        "sudo", "-n", "true", stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


def tail(output: bytes, lines: int = 8) -> str:
    return "\n".join(output.decode(errors="replace").splitlines()[-lines:])
