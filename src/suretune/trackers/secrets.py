"""What may be kept or shown of somebody's words: no secret of the environment, no password."""

from __future__ import annotations

import os
import re

SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
SHORTEST = 6  # characters of a value that is taken for a secret
HIDDEN = "***"
_OF_ADDRESS = re.compile(r"(://)[^/\s@]+@")
_OF_QUERY = re.compile(r"([?&;](?:\w*(?:key|token|secret|password|passwd|pwd))=)[^&;\s'\"]+", re.I)


def without_secrets(text: str) -> str:
    """The text without values of variables that hold a secret, and without what an address says of
    who asks, before its host or in its query."""
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= SHORTEST:
            text = text.replace(value, HIDDEN)
    return _OF_QUERY.sub(rf"\1{HIDDEN}", _OF_ADDRESS.sub(rf"\1{HIDDEN}@", text))
