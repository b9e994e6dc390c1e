"""`python -m deploy.local.clean [FOLDER]`: stop the servers of a stack, or of all in a folder (`.stack`); remove it."""

import asyncio
import shutil
import sys
from pathlib import Path

from deploy.local.stack import STACKS, wipe


def clean(stacks: Path) -> None:
    """Wipe the stacks in the sub-folders of `stacks`, then the folder itself; or the one stack that it is."""
    for lock in [*stacks.glob("start.lock"), *sorted(stacks.glob("*/start.lock"))]:
        asyncio.run(wipe(lock.parent))
    shutil.rmtree(stacks, ignore_errors=True)


if __name__ == "__main__":
    clean(Path(sys.argv[1]) if len(sys.argv) > 1 else STACKS)
