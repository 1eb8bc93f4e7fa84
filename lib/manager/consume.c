/* consume.c: config sets and pings from the broker, in a thread of their own. A message is
 * acknowledged after what it asks for stands and is kept, or after it was parked; it never comes
 * twice. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/settings.h"
#include "manager/manager_impl.h"

#define COMPONENT "manager"
/* How long a message waits to be acknowledged until the state store has it. */
#define SYNC_MS 500
/* A set for which there is no memory is tried again, first after so long and then ever later, */
#define AGAIN_FIRST_MS 100
/* and given up after this: pings have to be answered in 40 seconds. */
#define AGAIN_LAST_MS 10000

/* With the turn. False: there was no memory for it. */
static bool take_body(panicmon_manager *manager, const pm_delivery *delivery, bool last)
{
    const char *routing_key = delivery->routing_key;
    panicmon_error *err = NULL;
    bool taken = false;
    panicmon_err status =
        pm_manager_apply_set(manager, routing_key, delivery->body, delivery->len, &taken, &err);
    bool lacking = status == PANICMON_ERR_NOMEM && !taken && !last;
    if (taken) {
        pm_manager_announce_soon(manager, routing_key);
        pm_manager_keep(manager, routing_key, delivery->body, delivery->len);
    } else if (status == PANICMON_ERR_NOENT) {
        pm_logf(manager->log, PANICMON_LOG_INFO, COMPONENT, "%s", panicmon_error_message(err));
    } else if (!lacking) { /* what is wrong was logged */
        pm_manager_park(manager, delivery, panicmon_error_message(err));
    }
    panicmon_error_free(err);
    return !lacking;
}

static void take_config(panicmon_manager *manager, size_t identity, const pm_delivery *delivery)
{
    /* Every manager's queue gets its own copy: the first of them applies it for all. */
    if (pm_manager_identity_of_key(manager->enabled, delivery->routing_key) != identity ||
        pm_manager_take_turn(manager) != PANICMON_OK) {
        return;
    }
    if (delivery->error != NULL) {
        pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT, "%s: %s", delivery->routing_key,
                delivery->error);
        pm_manager_park(manager, delivery, delivery->error);
        pm_manager_give_turn(manager);
        return;
    }
    for (int64_t wait = AGAIN_FIRST_MS; !take_body(manager, delivery, wait > AGAIN_LAST_MS);) {
        pm_manager_give_turn(manager);
        pm_manager_sleep(manager, pm_mono_ms() + wait);
        wait *= 2;
        if (pm_manager_take_turn(manager) != PANICMON_OK) {
            return; /* it stops; the broker keeps the message */
        }
    }
    pm_manager_give_turn(manager);
    /* Acknowledged once it is kept; a store that is away does not hold us up. */
    (void)pm_store_sync(manager->store, pm_mono_ms() + SYNC_MS);
}

static void deliver(void *user, const pm_delivery *delivery)
{
    panicmon_manager *manager = user;
    for (size_t i = 0; i < PM_IDENTITIES; i++) {
        if (strcmp(delivery->queue, pm_manager_identities[i].heartbeat_queue) == 0) {
            (void)pm_manager_heartbeat(manager, i);
        } else if (strcmp(delivery->queue, pm_manager_identities[i].configs_queue) == 0) {
            take_config(manager, i, delivery);
        }
    }
}

/* What the enabled managers declare and consume; ends with an empty one. */
static void fill_bindings(panicmon_manager *manager)
{
    pm_binding *bindings = manager->bindings;
    for (size_t i = 0; i < PM_IDENTITIES; i++) {
        const pm_manager_identity *at = &pm_manager_identities[i];
        if (manager->enabled[i]) {
            *bindings++ = (pm_binding){.exchange = "health_check",
                                       .queue = at->heartbeat_queue,
                                       .keys = {"ping"},
                                       .no_ack = 1};
            *bindings = (pm_binding){.exchange = "config", .queue = at->configs_queue};
            for (size_t k = 0; k < PM_KEYS_MAX; k++) {
                bindings->keys[k] = at->keys[k];
            }
            bindings++;
        }
    }
    *bindings = (pm_binding){0};
}

static void consumer_main(void *arg)
{
    panicmon_manager *manager = arg;
    pthread_mutex_lock(&manager->lock);
    while (!manager->restored && !manager->closing) { /* older sets first, so that newer ones win */
        (void)pthread_cond_wait(&manager->changed, &manager->lock);
    }
    pthread_mutex_unlock(&manager->lock);
    pm_consumer_run(manager->consumer);
}

panicmon_err pm_manager_consume(panicmon_manager *manager)
{
    static const char *const exchanges[] = {"raw_data", "config", "health_check", "monitorable",
                                            NULL};
    const panicmon_settings *settings = pm_runtime_settings(manager->runtime);
    if (pm_settings_text(settings, "broker.url") == NULL) {
        return PANICMON_OK;
    }
    manager->store = pm_store_ref(pm_runtime_store(manager->runtime));
    fill_bindings(manager);
    pm_consumer_options options = {
        .log = manager->log,
        .component = "Monitors Manager",
        .bindings = manager->bindings,
        .exchanges = exchanges,
        .deliver = deliver,
        .user = manager,
    };
    pm_amqp_options_read(&options.amqp, settings);
    options.amqp.message_limit = PM_CONFIG_BYTES_MAX;
    panicmon_err status = pm_consumer_new(&manager->consumer, &options);
    if (status == PANICMON_OK) {
        status = pm_thread_start(&manager->consumer_thread, "pm:consumer", PM_STACK_LARGE,
                                 consumer_main, manager);
    }
    return status;
}
