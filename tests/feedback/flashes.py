"""How often a light flashes, counted the slow way, from the words of WCAG 2.3.1 and nothing of ours.

A flash is a pair of opposing changes of relative luminance by a tenth of the maximum or more. Every window of one
second is looked at by itself, from every sample on.
"""

from __future__ import annotations

import numpy as np

WEIGHTS = np.array([0.2126, 0.7152, 0.0722])


def changes(values: np.ndarray, least: float) -> int:
    """The longest run of alternating rises and falls of at least `least` that the values contain."""
    count, low, high, direction = 0, values[0], values[0], 0
    for value in values[1:]:
        low, high = min(low, value), max(high, value)
        if direction <= 0 and value - low >= least:
            count, direction, low, high = count + 1, 1, value, value
        elif direction >= 0 and high - value >= least:
            count, direction, low, high = count + 1, -1, value, value
    return count


def most_flashes(t_s: np.ndarray, values: np.ndarray, least: float, window_s: float = 1.0) -> int:
    """The most flashes in any window."""
    ends = np.searchsorted(t_s, t_s + window_s, side="right")
    return max(changes(values[i:end], least) // 2 for i, end in enumerate(ends))


def luminances(leds: np.ndarray) -> np.ndarray:
    """(n, N + 3): each LED, left half, right half and whole, as shares of full white at full brightness."""
    each = leds / 255.0 @ WEIGHTS
    half = each.shape[1] // 2
    areas = [each[:, :half].mean(1), each[:, each.shape[1] - half :].mean(1), each.mean(1)]
    return np.column_stack([each, *areas])


def assert_no_more_than_three(t_s: np.ndarray, leds: np.ndarray, maximum: float) -> None:
    """`maximum` is the luminance that the brightness setting allows, as a share of full white."""
    for k, values in enumerate(luminances(leds).T):
        for least in (0.1 * maximum, 0.1):
            flashes = most_flashes(t_s, values, least - 1e-9)
            assert flashes <= 3, f"luminance {k}: {flashes} flashes of {least} in a second"
