"""Going back over what was: changes of many deliveries, retention, and what bypassed the trigger."""
