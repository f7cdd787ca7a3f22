"""Scores, intervals, controls and summaries of predictions; tables in, plain numbers out."""
