"""What the Makefile runs: notebooks, data/, the bench, sweeps over seeds and the scoreboard."""
