"""The crash sweep: one scenario after another, killed before and after each of its I/O calls."""
