"""A visit's or a runner's figures become a page to read: HTML, PDF or text."""
