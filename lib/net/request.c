/* request.c: see request.h. */
#include "net/request.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void pm_request_finish(pm_request *request, panicmon_err status, int64_t code, const char *message)
{
    request->status = status;
    request->code = code;
    request->message = message == NULL ? NULL : strdup(message);
    request->done = true;
    if (request->on_done != NULL) {
        request->on_done(request);
    }
}

void pm_request_drop_out(pm_request *request)
{
    if (!request->out_inlined) {
        pm_buf_free(&request->out);
    }
    request->out = (pm_buf){0};
    request->out_inlined = false;
}

bool pm_request_set_out(pm_request *request, const char *text, size_t len)
{
    char *room = NULL;
    pm_request_drop_out(request);
    if (request->bundle != NULL && len < PM_BUNDLE_USUAL / 2) {
        room = pm_bundle_take(&request->bundle, request->bundle->pool, len + 1);
    }
    if (room == NULL) {
        pm_buf_add(&request->out, text, len);
        return !request->out.failed;
    }
    memcpy(room, text, len);
    room[len] = '\0';
    request->out = (pm_buf){.data = room, .len = len, .cap = len + 1};
    request->out_inlined = true;
    return true;
}

void pm_request_clear(pm_request *request)
{
    if (!request->inlined) {
        free(request->target);
        free(request->name);
        pm_buf_free(&request->in);
    }
    if (request->headers != NULL || request->message != NULL) {
        free(request->headers);
        free(request->message);
    }
    if (!request->out_inlined && request->out.data != NULL) {
        pm_buf_free(&request->out);
    }
}

/* ---- bundles ---- */

#define ALIGNMENT sizeof(max_align_t)
/* Blocks kept for later. */
#define SPARE_MAX 128

void pm_bundle_pool_init(pm_bundle_pool *pool)
{
    *pool = (pm_bundle_pool){.spare = NULL};
    (void)pthread_mutex_init(&pool->lock, NULL);
}

void pm_bundle_pool_free(pm_bundle_pool *pool)
{
    while (pool->spare != NULL) {
        pm_bundle *block = pool->spare;
        pool->spare = block->more;
        free(block);
    }
    (void)pthread_mutex_destroy(&pool->lock);
}

static pm_bundle *take_block(pm_bundle_pool *pool, size_t size)
{
    pm_bundle *block = NULL;
    size = size > PM_BUNDLE_USUAL ? size : PM_BUNDLE_USUAL;
    if (pool != NULL && size == PM_BUNDLE_USUAL) {
        pthread_mutex_lock(&pool->lock);
        block = pool->spare;
        if (block != NULL) {
            pool->spare = block->more;
            pool->count--;
        }
        pthread_mutex_unlock(&pool->lock);
    }
    if (block == NULL) {
        block = malloc(sizeof *block + size);
    }
    if (block != NULL) {
        *block = (pm_bundle){.pool = pool, .size = size, .holders = 1};
    }
    return block;
}

static void free_block(pm_bundle *block)
{
    pm_bundle_pool *pool = block->size == PM_BUNDLE_USUAL ? block->pool : NULL;
    if (pool != NULL) {
        pthread_mutex_lock(&pool->lock);
        if (pool->count < SPARE_MAX) {
            block->more = pool->spare;
            pool->spare = block;
            pool->count++;
            block = NULL;
        }
        pthread_mutex_unlock(&pool->lock);
    }
    free(block);
}

void *pm_bundle_take(pm_bundle **bundle, pm_bundle_pool *pool, size_t size)
{
    pm_bundle *first = *bundle;
    pm_bundle *at = first == NULL || first->more == NULL ? first : first->more;
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (at == NULL || at->size - at->used < size) {
        at = take_block(pool, size);
        if (at == NULL) {
            return NULL;
        }
        if (first == NULL) {
            *bundle = at;
        } else {
            at->more = first->more;
            first->more = at;
        }
    }
    char *taken = (char *)(at + 1) + at->used;
    at->used += size;
    return taken;
}

void pm_bundle_drop(pm_bundle *bundle)
{
    if (bundle == NULL || --bundle->holders > 0) {
        return;
    }
    while (bundle != NULL) {
        pm_bundle *more = bundle->more;
        free_block(bundle);
        bundle = more;
    }
}

void pm_request_keep(pm_request *request)
{
    request->kept = true;
    request->bundle->holders++;
}

void pm_request_forget(pm_request *request)
{
    pm_bundle *bundle = request->bundle;
    pm_request_clear(request);
    pm_bundle_drop(bundle);
}
