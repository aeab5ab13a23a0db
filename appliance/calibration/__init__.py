"""What was seen during a calibration step becomes figures: pure arithmetic, no clock, no file, no thread, no wire."""
