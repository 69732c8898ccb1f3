"""Storage: tensors, models, checkpoints and the run folder, written atomically and hashed."""

from sunhwan.atomic import write_bytes, write_text
from sunhwan.store.model import SavedModel, load_model, save_model
from sunhwan.store.run import Run
from sunhwan.store.tensors import read_tensors, write_tensors

__all__ = [
    "Run",
    "SavedModel",
    "load_model",
    "read_tensors",
    "save_model",
    "write_bytes",
    "write_tensors",
    "write_text",
]
