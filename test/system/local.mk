# Tests of kind system.
