"""Races: whoever may change the same thing is let loose on it at the same moment, thousands of times."""
