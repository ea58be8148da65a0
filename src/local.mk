# The program, and the order of its modules.
EXTRA_DIST += src/LAYERS
