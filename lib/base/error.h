/* error.h (internal): making error objects. See panicmon/error.h for the public side. */
#ifndef PM_ERROR_H
#define PM_ERROR_H

#include <panicmon/error.h>

/* As panicmon_error_set() with a printf format. `err` may be NULL. Returns `code`. */
panicmon_err pm_error_setf(panicmon_error **err, panicmon_err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Hands the object in `*from` over to `*to` (freed when `to` is NULL); `*from` becomes NULL. */
void pm_error_move(panicmon_error **to, panicmon_error **from);

#endif
