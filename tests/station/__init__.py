"""The station bench: a Debian machine under QEMU with stand-ins for a Pi's wires, in which the real hipbar runs.

`python -m tests.station` builds it, boots it and runs its tests; docs/bench.md tells the rest. Layers, each made once
and kept: `image.py` (the machine), `code.py` (this checkout in it), `vm.py` (the machine running, and its API).
"""
