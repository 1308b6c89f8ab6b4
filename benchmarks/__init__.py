"""How fast it is: measured from outside, beside yardsticks of the same machine."""
