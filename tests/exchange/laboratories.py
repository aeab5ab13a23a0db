"""Recorded runners become the files that a motion laboratory would hand over: C3D by ezc3d, TRC and CSV by hand.

The laboratory's axes are those of the recordings (x right, y forward, z up, metres), turned as the test likes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from appliance.records import F64
from hw.camera import trials

UPRIGHT = np.eye(3)
Y_UP = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
"""As OpenSim and many optical systems: X forward, Y up, Z right."""

VICON = {
    "left_iliac_crest": "LIC", "right_iliac_crest": "RIC", "left_psis": "LPSI", "right_psis": "RPSI",
    "left_heel": "LHEE", "right_heel": "RHEE",
}  # fmt: skip


def markers(
    runner: str = "rbds001", axes: F64 = UPRIGHT, names: dict[str, str] | None = None
) -> dict[str, F64]:
    """A runner's markers in metres, in other axes and under other names; only those that are named."""
    trial = trials.load(runner)
    wanted = {mark: mark for mark in trial.marks} if names is None else names
    return {wanted[mark]: rows @ axes.T for mark, rows in trial.marks.items() if mark in wanted}


def standing(runner: str = "rbds001", axes: F64 = UPRIGHT, frames: int = 1) -> dict[str, F64]:
    trial = trials.load(runner)
    return {mark: np.repeat((place @ axes.T)[None], frames, axis=0) for mark, place in trial.standing.items()}


def rate_hz(runner: str = "rbds001") -> float:
    return {"rbds001": 150.0, "rbds002": 150.0, "ric": 200.0}[runner]


def to_c3d(path: Path, marks: dict[str, F64], rate: float, unit: str = "mm") -> Path:
    """As ezc3d writes it."""
    import ezc3d

    scale = {"mm": 1000.0, "m": 1.0, "cm": 100.0}.get(unit, 1000.0)
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["UNITS"]["value"] = [unit]
    file["parameters"]["POINT"]["RATE"]["value"] = [rate]
    file["parameters"]["POINT"]["LABELS"]["value"] = list(marks)
    places = np.stack([rows * scale for rows in marks.values()], axis=1)  # (n, marks, 3)
    file["data"]["points"] = np.concatenate([places.transpose(2, 1, 0), np.ones((1, *places.shape[1::-1]))])
    file.write(str(path))
    return path


def to_trc(path: Path, marks: dict[str, F64], rate: float, unit: str = "mm") -> Path:
    """As Cortex writes it: Windows line ends, empty cells for what was not seen, an empty line below the head."""
    scale = {"mm": 1000.0, "m": 1.0}[unit]
    n = len(next(iter(marks.values())))
    head = "PathFileType\t4\t(X/Y/Z)\trun.trc"
    facts = (
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames"
    )
    values = f"{rate}\t{rate}\t{n}\t{len(marks)}\t{unit}\t{rate}\t1\t{n}"
    names = "Frame#\tTime\t" + "\t\t\t".join(marks)
    axes = "\t\t" + "\t".join(f"{a}{k}" for k in range(1, len(marks) + 1) for a in "XYZ")
    lines = [head, facts, values, names, axes, ""]
    for k in range(n):
        cells = [f"{v * scale:.4f}" if v == v else "" for rows in marks.values() for v in rows[k]]
        lines.append("\t".join([str(k + 1), f"{k / rate:.5f}", *cells]))
    path.write_bytes("\r\n".join(lines).encode() + b"\r\n")
    return path


def to_csv(path: Path, marks: dict[str, F64], rate: float, *, german: bool = False, unit: str = "mm") -> Path:
    """A head line and a line a frame; `german`: semicolons and decimal commas, as a spreadsheet there writes them."""
    scale = {"mm": 1000.0, "m": 1.0}[unit]
    columns = [f"{name}_{axis}_{unit}" for name in marks for axis in "xyz"]
    lines = [["time_s", *columns]]
    for k in range(len(next(iter(marks.values())))):
        cells = [f"{v * scale:.4f}" if v == v else "" for rows in marks.values() for v in rows[k]]
        lines.append([f"{k / rate:.6f}", *cells])
    text = "\n".join((";" if german else ",").join(line) for line in lines) + "\n"
    path.write_text(text.replace(".", ",") if german else text, encoding="utf-8-sig")
    return path


def to_nexus(path: Path, marks: dict[str, F64], rate: float, subject: str = "Anna") -> Path:
    """As Vicon Nexus exports trajectories, below a block of analog devices."""
    lines = [
        "Devices",
        "1000",
        ",,Force",
        "Frame,Sub Frame,Fz",
        ",,N",
        "1,0,-3.2",
        "1,1,-3.3",
        "",
        "Trajectories",
    ]
    lines += [f"{rate:g}", ",," + ",,,".join(f"{subject}:{name}" for name in marks) + ",,"]
    lines += ["Frame,Sub Frame" + ",X,Y,Z" * len(marks), "," + ",mm,mm,mm" * len(marks)]
    for k in range(len(next(iter(marks.values())))):
        cells = [f"{v * 1000:.4f}" if v == v else "" for rows in marks.values() for v in rows[k]]
        lines.append(",".join([str(k + 1), "0", *cells]))
    path.write_text("\n".join([*lines, ""]) + "\n", encoding="utf-8")
    return path
