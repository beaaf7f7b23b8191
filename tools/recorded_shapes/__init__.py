"""Compare recorded answers of AWS with the local cloud's: keys, forms of values, enumerations."""
