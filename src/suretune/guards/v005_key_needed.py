"""V005 key-needed: other machines could reach the server, and there is no key.

What it looks at: `--host`, and whether a key was given or can be shown to somebody.

Why it matters: whoever finds an open port can use the GPU and read what the model knows. On a
terminal a key is made and shown once; in a log file it would be no secret.

Fix: set SURETUNE_API_KEY in the environment; or keep to this machine: `--host 127.0.0.1`.

V005 key-needed：其他机器能访问这个服务，却没有密钥。

检查内容：`--host`，以及有没有给出密钥、能不能把密钥显示给人看。

影响：谁发现了开放的端口，谁就能用这块 GPU，读出模型知道的内容。在终端上会自动生成密钥并只显示一
次；写进日志文件的密钥就不是秘密了。

怎么改：在环境变量里设置 SURETUNE_API_KEY；或只在本机使用：`--host 127.0.0.1`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="V005",
    name="key-needed",
    title=Text("open to others without a key", "对外服务没有密钥"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("key-needed", "--host"),
    what=Text(
        "Other machines can reach {detail}, and no key was given.",
        "其他机器能访问 {detail}，但没有给出密钥。",
    ),
    why=Text("Whoever finds the port could use the model.", "谁发现这个端口，谁就能使用模型。"),
    fix=Text(
        "Set SURETUNE_API_KEY in the environment, or use `--host 127.0.0.1`.",
        "在环境变量里设置 SURETUNE_API_KEY，或用 `--host 127.0.0.1`。",
    ),
)
