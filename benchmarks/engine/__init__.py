"""From a declared suite to a table of results: plan, cells in parallel processes, parts on disk."""
