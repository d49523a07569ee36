"""The seeded toy worlds that several lessons share, one module each."""
