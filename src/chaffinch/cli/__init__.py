"""The command line: a thin mouth on the library."""
