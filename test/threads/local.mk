# Tests of kind threads.
