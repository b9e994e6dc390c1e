"""Text as PostgreSQL takes it, whoever wrote it.

>>> storable("a\\0b")
'a\ufffdb'
"""

LONGEST_ERROR = 20_000


def storable(text: str) -> str:
    """No NUL, and no lone surrogate."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


def storable_error(text: str) -> str:
    """An error as it is kept and told: of bounded length, too."""
    return storable(text)[:LONGEST_ERROR]
