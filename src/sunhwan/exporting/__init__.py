"""Exporting: a trained model as files that need neither sunhwan nor PyTorch."""

from sunhwan.exporting.formats import FORMATS, Exported, export

__all__ = ["FORMATS", "Exported", "export"]
