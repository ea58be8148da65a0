# The program, and the order of its modules.
EXTRA_DIST += src/LAYERS

bin_PROGRAMS += pooler
pooler_SOURCES = src/main.c
pooler_LDADD = $(core_libs)
