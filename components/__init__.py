"""Units that need two rooms or more: choosing a wire, networks in one process, the samples, the command line."""
