"""The bar that hangs at the SPI bus becomes one word on standard output: the half that somebody sees lit.

Runs in the guest as root; "left" is where the wire begins. Waits for what goes out of the bus next, and no longer than
half a minute; a bar that nobody drives keeps what it shows, and is "neither" here.
"""

from __future__ import annotations

import time

import wires

_LEDS, _START, _BYTES = 60, 4, 4
_PATIENCE_S, _GLANCE_S = 30.0, 1.0


def half(data: bytes) -> str:
    """Which half of an APA102 frame is lit; the first byte of each LED is its brightness."""
    bar = [data[_START + _BYTES * k + 1 : _START + _BYTES * (k + 1)] for k in range(_LEDS)]
    first, second = any(map(any, bar[: _LEDS // 2])), any(map(any, bar[_LEDS // 2 :]))
    return "neither" if first == second else "left" if first else "right"


def main() -> None:
    """Looks for a moment."""
    capture, seen = wires.Capture(), list[wires.Transfer]()
    until_s = time.monotonic() + _PATIENCE_S
    time.sleep(_GLANCE_S)
    while not seen and time.monotonic() < until_s:
        seen = [transfer for transfer in capture.read() if len(transfer.data) > _BYTES * _LEDS]
        time.sleep(0.1)
    capture.close()
    print(half(seen[-1].data) if seen else "neither")


if __name__ == "__main__":
    main()
