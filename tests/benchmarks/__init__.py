"""Speed and memory beside the peers, each in a process of its own, interleaved by rounds."""
