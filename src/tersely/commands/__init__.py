"""A file for each group of verbs: its options, and the call behind it. What a verb needs is imported when it runs."""
