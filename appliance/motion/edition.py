"""Which arithmetic turned keypoints into steps: one number, kept beside every step.

Two records of one edition can be compared; those of different editions only after the older one has been computed
anew from its keypoints (`hipbar reprocess`). Count it up with any change that alters a step by more than rounding, of
`appliance/motion`, `kernels/gait.py`, `kernels/lens.py` or their constants: tests/motion/test_edition.py tells.
"""

from __future__ import annotations

EDITION = 1
"""Of the steps that this program computes."""
