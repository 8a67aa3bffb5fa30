"""Results of tasks: what they hold, where they are stored, how they are averaged and compared."""
