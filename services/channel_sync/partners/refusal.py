"""A partner's error code as an id of ours: partners answer anything."""

import re


def code_of(error: object) -> str:
    """1 to 64 characters of letters, digits, `_`, `.` and `-`; `refused` where nothing is left."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", str(error or "")).strip("_")[:64] or "refused"
