"""The seeded worlds of the course, one folder each: generator, vocabulary, checker, recipes and the checkpoints made by them."""
