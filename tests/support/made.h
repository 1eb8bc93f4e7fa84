/* made.h: states of made chains, in the form of recorded ones: for tests that need no recordings.
 */
#ifndef PM_TEST_MADE_H
#define PM_TEST_MADE_H

#include <stdbool.h>

#include <jansson.h>

/* A chain of 6 validators, 2 waiting, some nominators, 12 eras. `legacy`: in the layout of early
 * 2022, with ImOnline and offline reports; both have slashes. The caller's: json_decref(). Its
 * "stashes" are the addresses of the validators. */
json_t *made_state(bool legacy);
/* The same of `validators` validators. */
json_t *made_state_of(bool legacy, unsigned validators);
/* The address of a validator; the waiting ones follow the others. */
const char *made_stash(const json_t *state, size_t validator);

#endif
