"""Report: the sections of one page, with their pictures and sentences."""
