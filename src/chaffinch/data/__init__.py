"""Floor 1: readers that turn files and objects into labelled data sets."""
