/* amqp_batch.h (internal to the broker side): messages as the frames of Basic.Publish, many of them
 * in one write. rabbitmq-c takes three writes a message. For a plain TCP connection whose channel
 * is open, and only while rabbitmq-c is in none of its calls: it writes whole frames, as this does.
 * Knows no rabbitmq-c. Belongs to the thread of its connection. */
#ifndef PM_AMQP_BATCH_H
#define PM_AMQP_BATCH_H

#include "base/buf.h"
#include "net/outbox.h"

/* Bytes of one write, more or less. A socket that polls as writable takes this much. */
#define PM_BATCH_SIZE ((size_t)16384)

typedef struct pm_batch {
    int fd;
    uint16_t channel;
    size_t frame_max; /* bytes of a frame, its head and end included */
    pm_buf out;       /* what the socket did not take yet, from `at` on */
    size_t at;
} pm_batch;

/* Sends the messages, persistent and mandatory, without ever waiting: what the socket does not take
 * is kept, and until a flush got rid of it nobody else may write to the connection. Both give 0, or
 * an errno after which the connection is useless. */
int pm_batch_send(pm_batch *batch, const pm_message *const *list, size_t count);
int pm_batch_flush(pm_batch *batch);
/* Bytes that are still to be flushed. */
size_t pm_batch_left_over(const pm_batch *batch);
void pm_batch_free(pm_batch *batch);

#endif
