"""What the station does; it touches no wire (that is `hw`).

The way of one frame: `sight` turns its pixels into keypoints, `motion` keypoints into moments and steps, `feedback`
moments into the colours of the LEDs; `pipeline` is the three in one. `kernels` holds all compiled code. `station` is
the running machine around it: the loop, the books, replay and bench. `commands` and `cli` are the command line.
`records` are the values that cross from one to another, `config` the settings, `errors` what can go wrong.
"""
