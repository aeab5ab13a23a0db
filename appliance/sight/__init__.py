"""Pixels become keypoints: which bright dot is which mark, and where."""
