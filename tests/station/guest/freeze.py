"""systemd stands still from now on, as if it hung: nobody tells the hardware watchdog any more that all is well.

Runs in the guest as root. Process 1 takes no SIGSTOP, and no cgroup holds it; a debugger's hold it does take
(PTRACE_SEIZE, PTRACE_INTERRUPT, ptrace(2)), and has it for as long as this process lives.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time

_SEIZE, _INTERRUPT, _ANY_THREAD = 0x4206, 0x4207, 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


def freeze(pid: int) -> None:
    """That process does nothing any more."""
    for request in (_SEIZE, _INTERRUPT):
        if _libc.ptrace(request, pid, None, None):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.waitpid(pid, _ANY_THREAD)


if __name__ == "__main__":
    freeze(1)
    print(f"frozen at {time.monotonic():.3f}", flush=True)
    signal.pause()
