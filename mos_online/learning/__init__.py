"""What is learned from the stream while it runs: the parts of the learner, and the order in which they are given data.

The process around it is the package ``learning``.
"""
