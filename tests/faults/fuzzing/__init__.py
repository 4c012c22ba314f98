"""Mutated input for everything that reads what others wrote: each ends in a value or in an error of ours, soon and in little memory."""
