"""V020 any-page-may-ask: pages of every site may use the server, and there is no key.

What it looks at: `--allowed_origins *` without a key.

Why it matters: every page that is open in a browser on this machine can then ask the model, and
read what it says, without anybody seeing it.

Fix: name the pages, `--allowed_origins http://localhost:3000`, or set SURETUNE_API_KEY.

V020 any-page-may-ask：任何网站的页面都能使用这个服务，而且没有密钥。

检查内容：没有密钥却写了 `--allowed_origins *`。

影响：本机浏览器里打开的任何页面都能悄悄向模型提问，并读到回答。

怎么改：写明允许的页面，例如 `--allowed_origins http://localhost:3000`；或设置 SURETUNE_API_KEY。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="V020",
    name="any-page-may-ask",
    title=Text("pages of any site may ask", "任何网页都能提问"),
    stops=False,
    facts=SetupFacts,
    check=for_setup("any-page-may-ask", "--allowed_origins"),
    what=Text(
        "`{detail}` lets pages of every site ask, and no key was given.",
        "`{detail}` 允许任何网站的页面提问，而且没有密钥。",
    ),
    why=Text(
        "Any page that is open in a browser here can use the model.",
        "本机浏览器里打开的任何页面都能使用模型。",
    ),
    fix=Text(
        "Name them, `--allowed_origins http://localhost:3000`, or set SURETUNE_API_KEY.",
        "写明页面，例如 `--allowed_origins http://localhost:3000`；或设置 SURETUNE_API_KEY。",
    ),
)
