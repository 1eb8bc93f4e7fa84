/* topic.h: AMQP topic patterns: words between dots, `*` for one word, `#` for any number. */
#ifndef PM_TOPIC_H
#define PM_TOPIC_H

#include <stdbool.h>

/* At most 255 bytes, no empty word, `*` and `#` only as whole words. */
bool pm_topic_valid(const char *pattern);
bool pm_topic_matches(const char *pattern, const char *routing_key);

#endif
