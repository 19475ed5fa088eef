"""Training loops and the recorder of evidence."""
