"""Fuzzing of what others send: valid files, broken at random, tried within limits."""
