"""People and visits, pure: protocols become plans, frames and orders become a visit's course, steps become figures."""
