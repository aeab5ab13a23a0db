"""How a visit stands, and what is kept of those that were, become words and tables for people.

words   a status's visit -> a line, or the lines of a screen
live    the control link's status, again and again -> a screen until the visit is over
shown   rows of the store -> tables
"""
