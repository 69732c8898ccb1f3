"""The folder of several runs: it belongs to the settings that it was begun with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sunhwan.atomic import write_text
from sunhwan.errors import UsageError
from sunhwan.files import read_json


def claim(folder: Path, name: str, settings: Mapping[str, Any], what: str) -> None:
    """Write the settings under a name into a new folder, or find that those that are there are the same.

    what: what the folder holds, in a sentence. UsageError: it holds something else.
    """
    file, told = folder / name, json.loads(json.dumps(settings))
    if file.is_file():
        if read_json(file) != told:
            raise UsageError(
                f"{folder} holds a {what} with other settings: choose another --out, or give the "
                "settings that it was begun with to go on with it"
            )
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is no {what}: choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {folder}: {error.strerror or error}") from None
    write_text(file, json.dumps(told, ensure_ascii=False, indent=1))
