"""What the embedded registry answers, one topic a module: parts of `compose.Registry`."""
