"""Hold the student's code: its text, its statements, its runs."""
