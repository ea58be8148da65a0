# Tests of kind scenario.
