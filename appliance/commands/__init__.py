"""One module a command: words on the command line become one call, and its outcome words on the terminal.

Together with `appliance.cli` the only place that puts `hw` and `appliance` together. Modules here import what is heavy
(NumPy, Numba, OpenCV) inside their functions, so that `hipbar --help` answers at once.
"""
