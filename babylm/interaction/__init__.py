"""A student that learns from a teacher: rounds of acting, feedback and learning, with every word metered.

A round is one file of episodes, written before anything is learnt from it; learning goes through the training loop of
`babylm.training`, which reads the round as a `babylm.batches.feed.Feed`.
"""
