"""Who runs the loop: nothing in here names an update rule, and no rule names anything in here."""
