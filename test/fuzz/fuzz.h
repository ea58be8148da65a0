/*
 * fuzz: what each target gives. libFuzzer calls it with inputs that it makes
 * up; replay.c, which `make check` uses, with the files of a corpus.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#endif
