"""Hub: model folders on the Hugging Face Hub, sent by `push` alone, fetched for `hf://USER/NAME`.

Who one is and where the hub stands is known to `huggingface_hub` (`hf auth login`, HF_TOKEN, HF_ENDPOINT):
no token passes through here.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sunhwan.errors import StoreError, UsageError, quoted

FILES = ("config.json", "model.safetensors", "tokenizer.json", "README.md")
"""What is sent and fetched: data alone, nothing that is executed."""
SCHEME = "hf:"


def is_on_hub(folder: Path) -> bool:
    """Whether a path says `hf://USER/NAME`, which a `Path` writes with one slash."""
    return folder.parts[:1] == (SCHEME,) and not folder.exists()


def push(folder: Path, name: str, card: str, *, tags: list[str], private: bool = False) -> str:
    """Send a model folder to USER/NAME in one commit, with its card, and give its address."""
    hub = _hub()
    _check(name)
    head = json.dumps([str(tag) for tag in tags])
    text = f"---\nlibrary_name: sunhwan\ntags: {head}\n---\n{card}\n{USE.format(name=name)}"
    parts = {file: folder / file for file in FILES[:-1]} | {FILES[-1]: text.encode()}
    with _reported(name):
        api = hub.HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
        api.create_repo(name, private=private, exist_ok=True)
        api.create_commit(
            name,
            [hub.CommitOperationAdd(path, content) for path, content in parts.items()],
            commit_message="A model made with Sunhwan",
        )
    return f"{api.endpoint}/{name}"


USE = """On any machine:

```bash
sunhwan info hf://{name}
```
"""


def fetched(folder: Path) -> Path:
    """The folder in the cache of the hub with the newest files of `hf://USER/NAME`, or of @REVISION."""
    hub = _hub()
    name, _, revision = "/".join(folder.parts[1:]).partition("@")
    _check(name)
    with _reported(name):
        found = hub.snapshot_download(
            name,
            revision=revision or None,
            allow_patterns=list(FILES),
            endpoint=os.environ.get("HF_ENDPOINT"),
            cache_dir=os.environ.get("HF_HUB_CACHE"),
        )
    return Path(found)


def _check(name: str) -> None:
    if len(name.split("/")) != 2 or not all(name.split("/")):
        raise UsageError(f"a model on the hub is called USER/NAME, not {quoted(name)}")


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise UsageError(
            "the Hugging Face Hub needs huggingface_hub: pip install 'sunhwan[hub]'"
        ) from None
    return huggingface_hub


@contextmanager
def _reported(name: str) -> Iterator[None]:
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield
    except HFValidationError as error:
        raise UsageError(f"{quoted(name)} is no name of the hub: {error}") from None
    except (HfHubHTTPError, httpx.HTTPError, OSError, ValueError) as error:
        for known in (error, error.__cause__):
            if isinstance(known, HfHubHTTPError):
                raise StoreError(
                    f"the hub refuses {name} (HTTP {known.response.status_code}): check the name, and log "
                    "in with `hf auth login`"
                ) from None
        raise StoreError(
            f"the hub cannot be reached for {name} ({type(error).__name__}): try again later"
        ) from None
