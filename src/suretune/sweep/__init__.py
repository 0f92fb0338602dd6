"""Many runs of one command: which settings, how they are judged, and each in a process."""
