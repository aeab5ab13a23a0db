"""What goes out of the SPI bus from now until SIGTERM becomes lines: start and end in seconds, errno, bytes in hex.

Runs in the guest. Nothing is read before the end, so that nobody is disturbed; the kernel's own memory holds 8 MiB,
which is some minutes of a bar.
"""

from __future__ import annotations

import signal

from wires import Capture

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    capture = Capture()
    print("watching", flush=True)
    signal.sigwait({signal.SIGTERM})
    for transfer in capture.read():
        print(f"{transfer.began_s!r} {transfer.ended_s!r} {transfer.error} {transfer.data.hex()}")
