"""Visits become files that other programs read, and files of motion laboratories become visits."""
