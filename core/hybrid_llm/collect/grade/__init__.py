"""Grading: from an answer to a quality in [0, 1], or to none; by rule, by a judge, or by a function of the user's."""
