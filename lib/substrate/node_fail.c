/* node_fail.c: what went wrong in a round, as PANIC's codes. */
#include "substrate/node_round.h"

#include <stdarg.h>
#include <string.h>

void pm_fail(pm_failure *failure, int code, panicmon_err status, const char *detail,
             const char *format, ...)
{
    va_list args;
    pm_failure_clear(failure);
    failure->code = code;
    failure->status = status;
    va_start(args, format);
    pm_buf_format_list(&failure->message, format, args);
    va_end(args);
    pm_buf_text(&failure->detail, detail);
}

void pm_failure_clear(pm_failure *failure)
{
    pm_buf_free(&failure->message);
    pm_buf_free(&failure->detail);
    *failure = (pm_failure){0};
}

static void fail_shape(const pm_node_monitor *monitor, pm_failure *failure, const char *method,
                       const char *why)
{
    pm_buf detail = {0};
    pm_buf_format(&detail, "%s%s%s", method, *why == '\0' ? "" : ": ", why);
    pm_fail(failure, PM_INCOMPATIBLE, PANICMON_ERR_PROTOCOL, detail.failed ? method : detail.data,
            "Data of node %s could not be read: its answers are not those of a Substrate node "
            "this build knows. See the log of the monitor, or switch monitoring of node %s off.",
            monitor->config->name, monitor->config->name);
    pm_buf_free(&detail);
}

static void fail_call(pm_failure *failure, panicmon_err status, const char *method, const char *why)
{
    pm_fail(failure, PM_CALL_FAILED, status, "", "Substrate API call %s failed. Error: %s", method,
            why);
}

/* The monitored node itself did not answer as it should. Whatever is no JSON-RPC answer counts as
 * unreachable: nothing can be read from such a node, and PANIC alerts on 5015 only. */
void pm_fail_direct(const pm_node_monitor *monitor, pm_failure *failure, panicmon_err status,
                    bool shape, const char *method, const char *why)
{
    if (shape) {
        fail_shape(monitor, failure, method, why);
    } else if (status == PANICMON_ERR_RPC) {
        fail_call(failure, status, method, why);
    } else {
        pm_fail(failure, PM_NODE_IS_DOWN, status, why, "Node %s is unreachable",
                monitor->config->name);
    }
}

void pm_fail_no_source(pm_failure *failure, const panicmon_round *round)
{
    pm_fail(failure, PM_NO_SYNCED_SOURCE, PANICMON_ERR_NOENT, "",
            "%s could not access any synced indirect Substrate websocket node.",
            panicmon_round_name(round));
}

/* A chain's state could not be read. */
void pm_fail_fetch(const pm_node_monitor *monitor, pm_failure *failure)
{
    const pm_fetch *fetch = monitor->fetch;
    const char *why = fetch->message.len > 0 ? fetch->message.data : "";
    if (fetch->shape || strstr(why, "ethod not found") != NULL) {
        fail_shape(monitor, failure, fetch->method, why);
    } else if (fetch->status == PANICMON_ERR_WS && fetch->culprit == monitor->own.endpoint) {
        pm_fail_direct(monitor, failure, fetch->status, false, fetch->method, why);
    } else {
        fail_call(failure, fetch->status, fetch->method, why);
    }
}
