"""Who is speaking: HMAC-SHA256 of `<unix seconds>.<body>` under the partner's secret, within the replay window.

The timestamp is part of what is signed, so an old request cannot be given a new time. A repetition within the
window is the same message (same source and id) and does nothing.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping

TIMESTAMP = "X-Fleet-Timestamp"
SIGNATURE = "X-Fleet-Signature"
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_V1 = re.compile(r"v1=[0-9a-fA-F]{64}", re.ASCII)


def flaw(headers: Mapping[str, str], body: bytes, secret: str, now: float, window: float) -> str | None:
    """What is wrong with the signature; None: it is the partner's. `now` in unix seconds, `window` in seconds."""
    stamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
    if _SECONDS.fullmatch(stamp) is None:
        return f"{TIMESTAMP} must be the unix time in seconds"
    if _V1.fullmatch(signature) is None:
        return f"{SIGNATURE} must be v1= and 64 hexadecimal digits"
    if not hmac.compare_digest(signature[3:].lower(), digest(secret, stamp, body)):
        return "the signature is not that of this timestamp and body under the partner's secret"
    if abs(now - int(stamp)) > window:
        return f"{TIMESTAMP} is more than {window:.0f} s off our clock"
    return None


def digest(secret: str, stamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
