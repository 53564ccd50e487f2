"""Where weights change: batch, token log-probabilities, loss, learner, loop. The only rooms that train."""
