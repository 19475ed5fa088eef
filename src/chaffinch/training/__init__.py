"""Floor 3: training loops and the recorder of evidence."""
