"""What lasts of runners and visits: one SQLite file, its writer, its readers, its copies."""
