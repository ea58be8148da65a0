# Tests of kind fuzz.
