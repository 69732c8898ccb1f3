"""Format versions: what this version of sunhwan reads from disk, and how it reads what is older.

Each format counts on its own. Content of an older version is brought up to date in memory, one step a
version; files are left as they are. docs/stability.md says what is promised.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sunhwan import __version__
from sunhwan.errors import StoreError

Content = dict[str, Any]


class Format(NamedTuple):
    """A kind of content on disk.

    migrations: for each older version, the function that makes the content of the next one.
    """

    name: str
    version: int
    migrations: Mapping[int, Callable[[Content], Content]]


def _source_of_tables(settings: Content) -> Content:
    """`text.corpus` of tasks that read tables, treebanks or series became `data.source`."""
    task, text, data = (dict(settings.get(name, {})) for name in ("task", "text", "data"))
    if task.get("name", "language_model") == "language_model" or "corpus" not in text:
        return settings
    data["source"] = text.pop("corpus")
    return settings | {"text": text, "data": data}


def _products_of_muon(settings: Content) -> Content:
    """The products of `training.optimizer = "muon"` were in bfloat16 on every device."""
    training = {"muon_products": "bfloat16", **settings.get("training", {})}
    return settings | {"training": training}


def _before_calibration(settings: Content) -> Content:
    """No confidence was calibrated, nothing was compared with baselines, and no run ended before its
    budget for having learned all."""
    training = {**settings.get("training", {}), "baselines": False, "stop_loss": 0.0}
    task = dict(settings.get("task", {}))
    if task.get("name") == "classify":
        task["calibrate"] = False
    return settings | {"task": task, "training": training}


def _before_linear_parts(settings: Content) -> Content:
    """No classifier had a linear model beside it."""
    if settings.get("task", {}).get("name") != "classify":
        return settings
    return settings | {"model": {**settings.get("model", {}), "linear": "none"}}


def _before_edit_scripts(settings: Content) -> Content:
    """Lemmas were learned as whole words."""
    task = dict(settings.get("task", {}))
    if task.get("name") == "tag":
        task["edit_scripts"] = False
    return settings | {"task": task}


def _before_tokenizers(settings: Content) -> Content:
    """No tagger learned to cut raw text."""
    task = dict(settings.get("task", {}))
    if task.get("name") == "tag":
        task["tokenizer"] = "none"
    return settings | {"task": task}


MODEL = Format("model", 1, {})
"""config.json, tokenizer.json and model.safetensors: {"config", "tokenizer", "tensors"}."""

RUN = Format(
    "run",
    7,
    {
        1: _source_of_tables,
        2: _products_of_muon,
        3: _before_calibration,
        4: _before_linear_parts,
        5: _before_edit_scripts,
        6: _before_tokenizers,
    },
)
"""The settings in config.toml of a run folder."""

CHECKPOINT = Format("checkpoint", 1, {})
"""The state and the tensors that resuming needs: {"state", "tensors"}."""

FORMATS = (MODEL, RUN, CHECKPOINT)


def stamp(kind: Format) -> dict[str, Any]:
    """Version stamp of content: that of its format, and that of sunhwan."""
    return {"format": kind.version, "sunhwan": __version__}


def migrated(kind: Format, stamped: Mapping[str, Any], content: Content, where: object) -> Content:
    """The content as the newest version of its format has it.

    stamped: what `stamp` gave when it was written; without a version it is of the first one.
    StoreError: it is of a version that is not known here.
    """
    version = stamped.get("format", 1)
    if type(version) is not int or version < 1:
        raise StoreError(f"{where} is damaged: its format is {version!r}; restore a copy")
    if version > kind.version:
        raise StoreError(
            f"{where} is a {kind.name} of format {version}{writer(stamped)}, and this is sunhwan "
            f"{__version__}, which reads formats up to {kind.version}: upgrade sunhwan"
        )
    for step in range(version, kind.version):
        content = kind.migrations[step](content)
    return content


def writer(stamped: Mapping[str, Any]) -> str:
    """Which version wrote it, as part of a sentence; "" where that is not known."""
    version = stamped.get("sunhwan")
    return f", written by sunhwan {version}" if isinstance(version, str) else ""
