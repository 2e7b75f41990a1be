"""`relay demo`: everything at work on this machine, watched, and checked to the last byte."""
