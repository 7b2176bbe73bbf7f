"""The run folder: what is in it, what makes a run the same run, and atomic writes."""
