/* fuzz_rpc.c: any bytes as messages of a node, a line each, while calls are pending: each call is
 * finished exactly once. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "net/rpc_impl.h"

#define CALLS 6

static int finished[CALLS];

static void count(pm_request *request)
{
    finished[(size_t)(uintptr_t)request->owner]++;
}

static void begin(pm_rpc *rpc, pm_rpc_endpoint *endpoint, pm_request *requests)
{
    *rpc = (pm_rpc){.component = "fuzz"};
    *endpoint = (pm_rpc_endpoint){.rpc = rpc, .name = "ws://peer:1", .batch_limit = PM_BATCH_MAX};
    pm_calls_init(&endpoint->fresh);
    pm_calls_init(&endpoint->pending);
    for (size_t i = 0; i < CALLS; i++) {
        requests[i] = (pm_request){.name = "method", .on_done = count};
        requests[i].owner = (void *)(uintptr_t)i;
        finished[i] = 0;
        pm_rpc_call *call = &requests[i].call;
        call->id = (int64_t)i + 1;
        call->batch = i < 2 ? 0 : 3; /* two alone, a batch of four */
        pm_calls_append(&endpoint->pending, call);
    }
}

static void end(pm_rpc *rpc, pm_rpc_endpoint *endpoint, pm_request *requests)
{
    pm_rpc_endpoint_fail(endpoint, PANICMON_ERR_CANCELED, "the end");
    for (size_t i = 0; i < CALLS; i++) {
        fuzz_check(finished[i] == 1, "each call is finished once");
        free(requests[i].message);
        pm_buf_free(&requests[i].out);
    }
    pm_buf_free(&rpc->frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pm_rpc rpc;
    pm_rpc_endpoint endpoint;
    pm_request requests[CALLS];
    begin(&rpc, &endpoint, requests);
    for (size_t at = 0; at < size;) {
        const uint8_t *line_end = memchr(data + at, '\n', size - at);
        size_t len = line_end == NULL ? size - at : (size_t)(line_end - (data + at));
        pm_rpc_endpoint_receive(&endpoint, (const char *)data + at, len);
        at += len + 1;
    }
    end(&rpc, &endpoint, requests);
    return 0;
}
