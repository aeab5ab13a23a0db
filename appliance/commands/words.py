"""Figures become the words and the JSON that commands end with. What was not measured is a dash, or null."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.station.tally import Delays, Stance, Summary


def as_json(summary: Summary, **more: Any) -> str:
    """One JSON object on one line."""
    return msgspec.json.encode({**msgspec.to_builtins(summary), **more}).decode()


def as_text(summary: Summary) -> str:
    """The summary for a person."""
    s = summary
    seen = f"pelvis pair seen in {100 * s.pair_seen:.1f} %"
    lines = [f"frames     {s.frames:,} in {s.duration_s:.1f} s, {s.lost_frames:,} lost; {seen}"]
    if s.sides_sure == 0:
        lines.append("sides      unsure: the heels do not tell left from right, so nothing is said per side")
    lines += [_stance("left", s.left_stance), _stance("right", s.right_stance), _asymmetry(s)]
    lines.append(f"cadence    {_figure(s.cadence_spm, '{:.0f} steps/min')}")
    if s.zero_deg:
        lines.append(f"zero       {s.zero_deg:+.2f} deg standing, subtracted")
    if s.guard_acts:
        lines.append(f"guard      held back flashes {s.guard_acts} times")
    return "\n".join(lines)


def delays(kept: Delays) -> dict[str, float | None]:
    """The delay from a frame in memory to its colours, in microseconds."""
    return {"p50": kept.quantile_us(0.5), "p99": kept.quantile_us(0.99)}


def delays_text(kept: Delays) -> str:
    """The same for a person."""
    p50, p99 = kept.quantile_us(0.5), kept.quantile_us(0.99)
    figures = f"{_figure(p50, '{:.0f} us')} at p50, {_figure(p99, '{:.0f} us')} at p99"
    return f"latency    {figures}, frame in memory to LED colours"


def ages_text(kept: Delays) -> str:
    """How old a frame was when its light was out, for a person."""
    figures = [_figure(kept.quantile_us(q), "{:.0f}") for q in (0.5, 0.95, 0.99)]
    return f"age        {' / '.join(figures)} us at p50 / p95 / p99, mid-exposure to light"


def _stance(name: str, stance: Stance) -> str:
    drop = _figure(stance.peak_drop_deg, "{:5.2f} deg")
    spread = _figure(stance.sd_deg, "sd {:.2f}")
    sides = f"{name} stance, {stance.drops} hip drops"
    return f"{sides:<30} {drop}  {spread}  {stance.steps} steps"


def _asymmetry(s: Summary) -> str:
    if s.asymmetry_deg is None:
        return "asymmetry  -"
    more = s.right_stance.drops if s.asymmetry_deg > 0 else s.left_stance.drops
    return (
        f"asymmetry  {s.asymmetry_deg:+.2f} deg: the {more} hip drops more (right stance minus left stance)"
    )


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
