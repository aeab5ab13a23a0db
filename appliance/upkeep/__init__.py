"""What changes the machine that the station runs on: packages, and what the boot needs. None of it runs with the light.

signatures.py   a file and its signature become the name of who signed it, or a refusal
packages.py     Debian packages: what is in one, what is installed, installing, packing up
orders.py       a signed file becomes an update that can be carried out, or a refusal
stages.py       the stages of an update, and which comes after which; the verdict on the service; pure
ledger.py       the folder of updates: the one under way, earlier ones, the packages that are kept
worker.py       carries the stages out, from a copy of itself that no package can take away
boot.py         what the boot needs, proposed as a diff
overlay.py      a root that is only read, and back; partition.py : the one that the data is on
files.py        files of the system changed in whole, and put back to the byte
"""
