"""Figures become light: `bar` lights the LEDs frame by frame, `patterns` draws what is not a measurement."""
