/* page.h: the status page of panicmond, its metrics and its health checks, served over HTTP. Main
 * thread. */
#ifndef PANICMOND_PAGE_H
#define PANICMOND_PAGE_H

#include <panicmon/panicmon.h>

#include "setup.h"
#include "store.h"

typedef struct page page;

/* Serves at the setting `listen`, which is not empty, what comes to the store of page_store().
 * NULL on failure (it was logged). */
page *page_open(const setup *setup, panicmon_log *log);
/* NULL is allowed for all below. */
void page_close(page *page);

/* Where messages of the library are to go too: a user for store_message(). */
store *page_store(page *page);

/* The runtime runs and the configs were applied; until page_stopping(). */
void page_started(page *page, panicmon_runtime *runtime, panicmon_manager *manager);
void page_stopping(page *page);

/* The configuration is about to be read again. */
void page_reload_begin(page *page);
/* The configs were applied, at the start or after that; whether some were refused. */
void page_configured(page *page, const char *configs, bool refused);
/* The configuration has faults and was not taken. */
void page_misconfigured(page *page);

/* Gives the milliseconds until it must be called again, -1: never. */
int page_tick(page *page);

#endif
