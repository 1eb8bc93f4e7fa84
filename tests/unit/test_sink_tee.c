/* test_sink_tee.c: a sink with another that watches. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <panicmon/panicmon.h>

#include "base/clock.h"
#include "net/sink.h"

typedef struct seen {
    char text[512];
    panicmon_err give;
    int freed;
} seen;

static panicmon_err see(void *user, const char *exchange, const char *key, const char *body,
                        size_t len)
{
    seen *at = user;
    size_t used = strlen(at->text);
    ck_assert_uint_eq(strlen(body), len);
    (void)snprintf(at->text + used, sizeof at->text - used, "%s|%s|%s\n", exchange, key, body);
    return at->give;
}

static void count_free(void *user)
{
    seen *at = user;
    at->freed++;
}

static panicmon_sink *sink_of(seen *at)
{
    panicmon_sink *sink = NULL;
    ck_assert_int_eq(panicmon_sink_new_callback(&sink, see, at, count_free), PANICMON_OK);
    return sink;
}

static panicmon_sink *tee_of(panicmon_sink *first, panicmon_sink *watcher)
{
    panicmon_sink *tee = NULL;
    ck_assert_int_eq(panicmon_sink_new_tee(&tee, first, watcher), PANICMON_OK);
    panicmon_sink_free(first); /* the tee has its own references */
    panicmon_sink_free(watcher);
    return tee;
}

static pm_channel *open_channel(panicmon_sink *sink)
{
    pm_channel *channel = NULL;
    ck_assert_int_eq(sink->ops->open(sink, NULL, NULL, "test", &channel), PANICMON_OK);
    return channel;
}

static void close_channel(pm_channel *channel)
{
    channel->ops->close(channel, 0);
    channel->ops->release(channel);
}

static void note_done(pm_request *request)
{
    *(panicmon_err *)request->owner = request->status;
    pm_request_clear(request); /* as core may do: nobody looks at it any more */
    free(request);
}

static panicmon_err publish(pm_channel *channel, const char *body)
{
    panicmon_err status = PANICMON_ERR_STATE;
    pm_request *request = calloc(1, sizeof *request);
    ck_assert_ptr_nonnull(request);
    *request = (pm_request){.kind = PM_REQUEST_PUBLISH,
                            .target = strdup("raw_data"),
                            .name = strdup("key"),
                            .deadline = pm_mono_ms() + 20000,
                            .on_done = note_done,
                            .owner = &status};
    pm_buf_text(&request->in, body);
    channel->ops->submit(channel, request);
    return status;
}

START_TEST(both_see_every_message_and_the_first_decides)
{
    seen first = {.give = PANICMON_OK};
    seen watcher = {.give = PANICMON_ERR_LIMIT};
    panicmon_sink *tee = tee_of(sink_of(&first), sink_of(&watcher));
    pm_channel *channel = open_channel(tee);
    ck_assert_int_eq(publish(channel, "{\"n\": 1}"), PANICMON_OK);
    first.give = PANICMON_ERR_NOMEM;
    watcher.give = PANICMON_OK;
    ck_assert_int_eq(publish(channel, ""), PANICMON_ERR_CALLBACK);
    ck_assert_str_eq(first.text, "raw_data|key|{\"n\": 1}\nraw_data|key|\n");
    ck_assert_str_eq(watcher.text, first.text);
    ck_assert_int_eq(atomic_load(&tee->shown->produced), 2);
    ck_assert_int_eq(atomic_load(&tee->shown->confirmed), 1);
    ck_assert_int_eq(atomic_load(&tee->shown->dropped_failed), 1);
    ck_assert_int_eq(channel->ops->service(channel, pm_mono_ms()), PM_NEVER);
    channel->ops->interrupt(channel);
    panicmon_sink_free(tee);
    ck_assert_int_eq(first.freed + watcher.freed, 0); /* the channel holds them */
    close_channel(channel);
    ck_assert_int_eq(first.freed, 1);
    ck_assert_int_eq(watcher.freed, 1);
}
END_TEST

START_TEST(tees_may_stand_one_behind_the_other)
{
    seen a = {.give = PANICMON_OK};
    seen b = {.give = PANICMON_OK};
    seen c = {.give = PANICMON_OK};
    panicmon_sink *tee = tee_of(tee_of(sink_of(&a), sink_of(&b)), sink_of(&c));
    pm_channel *channel = open_channel(tee);
    ck_assert_int_eq(publish(channel, "{}"), PANICMON_OK);
    ck_assert_str_eq(a.text, "raw_data|key|{}\n");
    ck_assert_str_eq(b.text, a.text);
    ck_assert_str_eq(c.text, a.text);
    ck_assert_int_eq(atomic_load(&tee->shown->produced), 1);
    close_channel(channel);
    panicmon_sink_free(tee);
    ck_assert_int_eq(a.freed + b.freed + c.freed, 3);
}
END_TEST

START_TEST(what_makes_no_tee)
{
    seen at = {.give = PANICMON_OK};
    panicmon_sink *sink = sink_of(&at);
    panicmon_sink *tee = NULL;
    ck_assert_int_eq(panicmon_sink_new_tee(NULL, sink, sink), PANICMON_ERR_INVAL);
    ck_assert_int_eq(panicmon_sink_new_tee(&tee, sink, NULL), PANICMON_ERR_INVAL);
    ck_assert_int_eq(panicmon_sink_new_tee(&tee, NULL, sink), PANICMON_ERR_INVAL);
    ck_assert_int_eq(panicmon_sink_new_tee(&tee, sink, sink), PANICMON_ERR_INVAL);
    ck_assert_ptr_null(tee);
    panicmon_sink_free(sink);
    ck_assert_int_eq(at.freed, 1);
}
END_TEST

/* The figures of a runtime are those of the first, and a watcher of it sees what monitors say. */
START_TEST(a_runtime_counts_the_first)
{
    seen first = {.give = PANICMON_OK};
    seen watcher = {.give = PANICMON_OK};
    panicmon_sink *tee = tee_of(sink_of(&first), sink_of(&watcher));
    panicmon_runtime *runtime = NULL;
    panicmon_manager *manager = NULL;
    panicmon_registry *registry = NULL;
    panicmon_stats *stats = NULL;
    const char *set = "{\"a\": {\"node_id\": \"a\", \"ws_url\": \"ws://127.0.0.1:1\"}}";
    int64_t produced = 0;
    int64_t confirmed = 0;
    ck_assert_int_eq(panicmon_registry_new(&registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add_builtin(registry, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_new(&runtime, registry, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_sink(runtime, tee), PANICMON_OK);
    panicmon_sink_free(tee);
    ck_assert_int_eq(panicmon_runtime_start(runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_manager_new(&manager, runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(
        panicmon_manager_apply(manager, "chains.substrate.x.nodes_config", set, strlen(set), NULL),
        PANICMON_OK);
    for (int tries = 0; tries < 1000 && confirmed == 0; tries++) {
        (void)usleep(10000);
        ck_assert_int_eq(panicmon_runtime_stats(runtime, &stats), PANICMON_OK);
        ck_assert_int_eq(panicmon_stats_get(stats, "messages_confirmed", &confirmed), PANICMON_OK);
        panicmon_stats_free(stats);
    }
    panicmon_runtime_request_stop(runtime);
    ck_assert_int_eq(panicmon_runtime_join(runtime, 20000), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_stats(runtime, &stats), PANICMON_OK);
    ck_assert_int_eq(panicmon_stats_get(stats, "messages_confirmed", &confirmed), PANICMON_OK);
    ck_assert_int_eq(panicmon_stats_get(stats, "messages_produced", &produced), PANICMON_OK);
    panicmon_stats_free(stats);
    ck_assert_int_gt(confirmed, 0);
    ck_assert_int_eq(confirmed, produced);
    ck_assert_ptr_nonnull(strstr(watcher.text, "\"source_id\": \"a\""));
    panicmon_manager_free(manager);
    panicmon_runtime_free(runtime);
    panicmon_registry_free(registry);
    ck_assert_int_eq(first.freed + watcher.freed, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink_tee");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 30);
    tcase_add_test(all, both_see_every_message_and_the_first_decides);
    tcase_add_test(all, tees_may_stand_one_behind_the_other);
    tcase_add_test(all, what_makes_no_tee);
    tcase_add_test(all, a_runtime_counts_the_first);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
