"""What changes the machine that the station runs on: packages, and what the boot needs. None of it runs with the light.

signatures.py   a file and its signature become the name of who signed it, or a refusal
packages.py     Debian packages: what is in one, what is installed, installing, and keeping the version before
stages.py       the stages of an update, and which comes after which; the verdict on the service; pure
worker.py       carries the stages out, from a copy of itself that no package can take away
"""
