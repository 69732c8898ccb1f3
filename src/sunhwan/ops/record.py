"""The records of native/problem.hpp, field by field: what the compiled library is told."""

import ctypes

VERSION = 7  # kVersion of native/problem.hpp
FIELDS, SAVED, EXTRA = 4, 16, 4  # the sizes of its arrays


OF_PROGRAM = -2
"""`second` of a kernel that runs a program, which has its products in a list."""


class Series(ctypes.Structure):
    """Mirrors `Series` of native/problem.hpp: values over time."""

    _fields_ = [("data", ctypes.c_void_p), ("row", ctypes.c_int64)]


class Matrix(ctypes.Structure):
    """Mirrors `Matrix`."""

    _fields_ = [("data", ctypes.c_void_p), ("row", ctypes.c_int64), ("column", ctypes.c_int64)]


class Problem(ctypes.Structure):
    """Mirrors `Recurrence` of native/problem.hpp."""

    _fields_ = [
        ("T", ctypes.c_int64),
        ("N", ctypes.c_int64),
        ("start", ctypes.c_void_p),
        ("lengths", ctypes.c_void_p),
        ("H", ctypes.c_int64),
        ("P", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("extra_size", ctypes.c_int64 * EXTRA),
        ("constant", ctypes.c_double),
        ("program", ctypes.c_void_p),
        ("W_h", Matrix),
        ("W_m", Matrix),
        ("b", ctypes.c_void_p),
        ("b_h", ctypes.c_void_p),
        ("extra", ctypes.c_void_p * EXTRA),
        ("a", Series),
        ("states", Series * FIELDS),
        ("made", Series * FIELDS),
        ("saved", Series * SAVED),
        ("initial", ctypes.c_void_p * FIELDS),
        ("hold", Series * FIELDS),
        ("hold_unit", ctypes.c_int64 * FIELDS),
        ("drop", ctypes.c_void_p),
        ("operand", Series),
        ("m", Series),
        ("m_kept", ctypes.c_int64),
        ("reaches_initial", ctypes.c_int64),
        ("d_states", Series * FIELDS),
        ("d_last", ctypes.c_void_p * FIELDS),
        ("d_a", Series),
        ("d_u", Series),
        ("d_w", Series),
        ("d_initial", ctypes.c_void_p * FIELDS),
        ("d_extra", ctypes.c_void_p * EXTRA),
    ]


RECORD = ctypes.sizeof(Problem)
"""Bytes of a `Problem`, all of whose numbers have 64 bits."""

AT: dict[str, int] = {name: getattr(Problem, name).offset // 8 for name, *_ in Problem._fields_}
"""Where each field begins, in words of 64 bits."""


class Kernel(ctypes.Structure):
    """Mirrors `Kernel`: what the kernel of a cell reads and writes, and its functions."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("gates", ctypes.c_int32),
        ("fields", ctypes.c_int32),
        ("saved", ctypes.c_int32),
        ("saved_width", ctypes.c_int32 * SAVED),
        ("recurrent_gates", ctypes.c_int32),
        ("shared_gates", ctypes.c_int32),
        ("second", ctypes.c_int32),
        ("always_saves", ctypes.c_int32),
        ("forward", ctypes.c_void_p),
        ("backward", ctypes.c_void_p),
    ]
