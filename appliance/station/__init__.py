"""The running machine: a rig's frames become light first and books after; it knows no driver."""
