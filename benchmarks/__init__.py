"""What Chaffinch finds and what it costs, measured beside other methods and libraries.

A part of the repository, not of the package. ``python -m benchmarks`` lists what can be measured.
"""
