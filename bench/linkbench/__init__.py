"""The link on a bad network: what bench/run-link measures. One module each for the worlds, the clients, the rows, the goals, the plots."""
