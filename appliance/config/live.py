"""Which settings may change between two frames, without anything being opened or begun anew."""

from __future__ import annotations

from appliance.config.sections import Clinic, Feedback, Sight

ADOPTED = frozenset(
    {
        *(f"feedback.{name}" for name in Feedback.__struct_fields__),
        *(f"sight.{name}" for name in Sight.__struct_fields__),
        *(f"clinic.{name}" for name in Clinic.__struct_fields__),
        *("motion.smooth_ms", "motion.steps", "strip.brightness"),
    }
)
"""What the pipeline takes as it is (`Pipeline.adopt`)."""

EXPOSED = frozenset({"camera.exposure_us", "camera.gain"})
"""What a running camera takes."""
