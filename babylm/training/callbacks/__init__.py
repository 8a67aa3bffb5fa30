"""The periphery of a run, one concern a file; none of them changes what is learnt."""
