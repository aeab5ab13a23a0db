"""What the service tells becomes a live screen in a technician's terminal, as fresh as that terminal can take it.

    feed      the control link's streams -> the newest `Look`, rows of every frame, settings (threads of their own)
    page      a `View` and a size -> a `Canvas` of characters; from `picture`, `trace`, `panels`
    pace      how long the terminal took for the last screens -> when the next one, and how much of it
    probe     what the terminal says of itself before anything is drawn
    screen    the canvas -> the terminal, by textual (`glass`), its changes by `paint`; keys -> what is tried
    still     a whole picture with its dots and figures -> a frozen screen, a PNG

Everything but `feed`, `probe`, `glass`, `screen` and `still` is a pure function of its arguments.
"""
