/* fuzz.h: what the fuzz targets share. Each target is one file with LLVMFuzzerTestOneInput(); with
 * clang it is linked to libFuzzer, and always to replay.c, which runs the kept inputs. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "substrate/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The metadata to read values with: the file that PANICMON_FUZZ_METADATA names, else a sample. */
const pm_metadata *fuzz_metadata(void);

/* Reads all of a value in every way and checks what must hold of any valid one. */
void fuzz_read(pm_value value);

/* Ends the program: something that must hold does not. */
void fuzz_check(int holds, const char *what);

#endif
