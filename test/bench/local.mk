# Tests of kind bench.
