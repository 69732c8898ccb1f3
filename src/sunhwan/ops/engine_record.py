"""The records of native/generation.hpp, field by field: what the compiled engine is told."""

import ctypes

from sunhwan.ops.record import FIELDS, Matrix


class EngineLayer(ctypes.Structure):
    """Mirrors `LayerOfModel`."""

    _fields_ = [
        ("cell", ctypes.c_char_p),
        ("program", ctypes.c_void_p),
        ("D", ctypes.c_int64),
        ("H", ctypes.c_int64),
        ("table", ctypes.c_void_p),
        ("W_x", Matrix),
        ("W_h", Matrix),
        ("b", ctypes.c_void_p),
        ("b_h", ctypes.c_void_p),
        ("extra", ctypes.c_void_p),
        ("constant", ctypes.c_double),
        ("hold", ctypes.c_double * FIELDS),
        ("residual", ctypes.c_int64),
    ]


class EngineModel(ctypes.Structure):
    """Mirrors `Model`."""

    _fields_ = [
        ("V", ctypes.c_int64),
        ("layers", ctypes.c_int64),
        ("precision", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("layer", ctypes.POINTER(EngineLayer)),
        ("embedding", ctypes.c_void_p),
        ("W", Matrix),
        ("K", ctypes.c_int64),
        ("b", ctypes.c_void_p),
    ]


class EngineRow(ctypes.Structure):
    """Mirrors `Row`."""

    _fields_ = [
        ("given", ctypes.c_void_p),
        ("givens", ctypes.c_int64),
        ("draws", ctypes.c_int64),
        ("state", ctypes.c_void_p),
        ("logits", ctypes.c_void_p),
        ("drawn", ctypes.c_void_p),
        ("uniform", ctypes.c_void_p),
        ("temperature", ctypes.c_double),
        ("top_p", ctypes.c_double),
        ("top_k", ctypes.c_int64),
        ("stop", ctypes.c_int64),
        ("never", ctypes.c_void_p),
        ("first", ctypes.c_void_p),
    ]
