"""Commands of other tools: read as they were pasted, judged flag by flag, put as suretune's own.

What each flag means here stands in the YAML tables beside this file, one a tool.
"""

from suretune.importing.report import explained

__all__ = ["explained"]
