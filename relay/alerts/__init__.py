"""What goes wrong for long enough that somebody should look: found, remembered, and told."""
