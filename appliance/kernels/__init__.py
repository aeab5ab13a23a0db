"""All compiled code of the product, and nothing else: plain functions over arrays, compiled by Numba.

A file in this folder calls only kernels of the same file: Numba's cache does not see edits in other files.
Constants are arguments, or stand in the same file. Never `fastmath`: it cannot see NaN. Every kernel has an explicit
signature, so a call with other types fails at once instead of compiling for seconds in the middle of a run.
With NUMBA_DISABLE_JIT=1 the same functions run as plain Python.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types

F = TypeVar("F", bound=Callable[..., Any])
_log = logging.getLogger(__name__)
_troubles: list[str] = []
"""The kernels that the cache did not have and could not keep."""


def kernel(signature: Any, *, inner: bool = False) -> Callable[[F], F]:
    """Compile for one signature, from the cache where there is one; an unusable cache costs time, never a crash.

    inner : only other kernels call it, so the way in from Python is not compiled (a third of the time).
    """
    options = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": inner, "no_cfunc_wrapper": True}

    def compiled(function: F) -> F:
        try:
            return cast(F, numba.njit(signature, cache=True, **options)(function))
        except Exception as error:
            # "no locator available", a full disk, a read-only cache folder, or a file that a power cut left damaged,
            # which raises whatever its bytes say: compile for this run alone. A kernel's own defect is raised again.
            if not _troubles:  # one for all kernels: there are eighty
                _log.warning("kernel cache unusable (%s): compiling for this run only", error)
            _troubles.append(function.__name__)
            return cast(F, numba.njit(signature, **options)(function))

    return compiled


def rows_of(dtype: np.dtype[Any]) -> Any:
    """The Numba type of a one-dimensional contiguous array of a structured dtype."""
    return types.Array(numba.from_dtype(dtype), 1, "C")


def picture_of(dtype: Any) -> Any:
    """The Numba type of a picture that is only read."""
    return types.Array(dtype, 2, "C", readonly=True)
