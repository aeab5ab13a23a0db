"""Keypoints to steps: obliquity, contacts and sides, and the running means over them."""
