/* notify.h: tells a service manager that listens at $NOTIFY_SOCKET how the daemon is. */
#ifndef PANICMOND_NOTIFY_H
#define PANICMOND_NOTIFY_H

/* Sends a state as sd_notify(3) words it; nothing happens when nobody listens. */
void notify(const char *state);
/* As notify(), for the begin of a reload, with the time it wants. */
void notify_reloading(void);

#endif
