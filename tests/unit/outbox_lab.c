/* outbox_lab.c: see outbox_lab.h. */
#include "outbox_lab.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

pm_sink_counts box_counts;
int box_wakes;

static void count_wake(void *user)
{
    (void)user;
    box_wakes++;
}

static void note_done(pm_request *request)
{
    box_outcome *at = request->owner;
    at->status = request->status;
    at->times++;
    (void)snprintf(at->why, sizeof at->why, "%s", request->message == NULL ? "" : request->message);
}

void box_add_key(pm_lane *lane, box_outcome *at, const char *exchange, const char *key,
                 const char *body)
{
    *at = (box_outcome){.request = {.kind = PM_REQUEST_PUBLISH,
                                    .target = strdup(exchange),
                                    .name = strdup(key),
                                    .deadline = 1000,
                                    .on_done = note_done,
                                    .owner = at}};
    pm_buf_text(&at->request.in, body);
    pm_lane_add(lane, &at->request);
}

void box_add_to(pm_lane *lane, box_outcome *at, const char *exchange, const char *body)
{
    box_add_key(lane, at, exchange, "key", body);
}

void box_add(pm_lane *lane, box_outcome *at, const char *body)
{
    box_add_to(lane, at, "raw_data", body);
}

void box_clear(box_outcome *at)
{
    pm_request_clear(&at->request);
}

static void count_wake_port(void *user, bool hurry)
{
    (void)user;
    (void)hurry;
    box_wakes++;
}

pm_outbox *box_open(size_t limit, const char *spool)
{
    pm_outbox *outbox = NULL;
    panicmon_error *err = NULL;
    const pm_outbox_options options = {
        .limit = limit, .keep = "monitorable", .spool_dir = spool, .counts = &box_counts};
    panicmon_err status = pm_outbox_new(&outbox, &options, &err);
    ck_assert_msg(status == PANICMON_OK, "%s", panicmon_error_message(err));
    return outbox;
}

pm_port *box_open_port(pm_outbox *outbox)
{
    pm_port *port = NULL;
    ck_assert_int_eq(pm_port_open(&port, outbox, count_wake_port, NULL), PANICMON_OK);
    return port;
}

pm_lane *box_open_lane(pm_port *port, const char *name)
{
    static int user;
    pm_lane *lane = NULL;
    ck_assert_int_eq(pm_lane_open(&lane, port, name, count_wake, &user), PANICMON_OK);
    return lane;
}

const pm_message *box_take(pm_port *port, int64_t now_ms, int64_t *next_ms)
{
    const pm_message *message = NULL;
    return pm_port_take(port, now_ms, &message, 1, SIZE_MAX, next_ms) == 0 ? NULL : message;
}

void box_acked(pm_port *port, uint64_t tag, bool multiple)
{
    const pm_confirm confirm = {.tag = tag, .multiple = multiple};
    pm_port_confirm(port, &confirm, 1, 0);
}

void box_nacked(pm_port *port, uint64_t tag, bool multiple, int64_t now_ms)
{
    const pm_confirm confirm = {.tag = tag, .multiple = multiple, .refused = true};
    pm_port_confirm(port, &confirm, 1, now_ms);
}

int64_t box_waiting(void)
{
    return box_counts.produced - box_counts.confirmed - box_counts.dropped;
}

void box_expect_next(pm_port *port, const char *body)
{
    int64_t next;
    const pm_message *message = box_take(port, 0, &next);
    if (body == NULL) {
        ck_assert_ptr_null(message);
    } else {
        ck_assert_ptr_nonnull(message);
        ck_assert_str_eq(message->body, body);
    }
}

char box_directory[64];

void box_make_directory(void)
{
    (void)snprintf(box_directory, sizeof box_directory, "/tmp/pm-spool-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(box_directory));
}

off_t box_find_segment(char *path, size_t room)
{
    off_t size = 0;
    DIR *listing = opendir(box_directory);
    ck_assert_ptr_nonnull(listing);
    for (const struct dirent *at; (at = readdir(listing)) != NULL;) {
        struct stat info;
        char name[400];
        (void)snprintf(name, sizeof name, "%s/%s", box_directory, at->d_name);
        if (strstr(name, ".seg") != NULL && stat(name, &info) == 0 && info.st_size > size) {
            (void)snprintf(path, room, "%s", name);
            size = info.st_size;
        }
    }
    closedir(listing);
    return size;
}

void box_remove_directory(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", box_directory);
    ck_assert_int_eq(system(command), 0);
}
