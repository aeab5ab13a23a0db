"""What hypothesis makes up for the control link: requests, figures, and anything at all."""

from __future__ import annotations

from hypothesis import strategies as st

from appliance.station import link

IDS = st.integers(0, 2**53)
WORDS = st.text(min_size=1, max_size=64)
VALUES = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=256)
)
FIGURES = st.recursive(
    st.none() | VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
ASKED = st.one_of(
    st.builds(link.AskHello, id=IDS),
    st.builds(link.AskStatus, id=IDS),
    st.builds(link.AskLive, id=IDS, rate_hz=st.floats(0, 240), width=st.integers(0, 16384)),
    st.builds(
        link.AskFollow, id=IDS, on=st.booleans(), spot=st.none() | st.tuples(*[st.integers(1, 16384)] * 4)
    ),
    st.builds(link.AskBar, id=IDS, rgb=st.none() | st.binary(max_size=3000), for_s=st.floats(0, 2)),
    st.builds(link.AskSet, id=IDS, values=st.dictionaries(WORDS, VALUES, max_size=9), keep=st.booleans()),
)
REQUESTS = ASKED | st.one_of(
    st.builds(link.AskCommit, id=IDS, step=WORDS, values=st.dictionaries(WORDS, VALUES, max_size=9)),
    st.builds(link.AskRollback, id=IDS, to=st.integers(0, 2**31)),
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary(max_size=99),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text() | st.integers(0, 9), inner, max_size=5)
    ),
    max_leaves=20,
)
ASKS = [kind.__struct_config__.tag for kind in link.Request.__args__]
FIELDS = (
    "values",
    "keep",
    "step",
    "figures",
    "to",
    "rate_hz",
    "width",
    "on",
    "spot",
    "rgb",
    "for_s",
    "other",
)
ANY_FIELDS = st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=5)
