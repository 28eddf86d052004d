"""What a customer's program may ask of the bridge, by whichever door: one implementation behind all."""
