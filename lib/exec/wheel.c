/* wheel.c: see wheel.h. A slot holds the timers of every PM_WHEEL_SLOTS-th tick; those of a later
 * turn are passed over once a turn. */
#include "exec/wheel.h"

#include <string.h>

#include "base/clock.h"

static int64_t tick_after(int64_t ms)
{
    return (ms + PM_WHEEL_TICK - 1) / PM_WHEEL_TICK;
}

void pm_wheel_init(pm_wheel *wheel, int64_t now_ms)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->tick = now_ms / PM_WHEEL_TICK;
}

void pm_wheel_remove(pm_timer *timer)
{
    if (timer->link != NULL) {
        *timer->link = timer->next;
        if (timer->next != NULL) {
            timer->next->link = timer->link;
        }
        timer->link = NULL;
    }
}

void pm_wheel_set(pm_wheel *wheel, pm_timer *timer, int64_t due_ms)
{
    int64_t tick = tick_after(due_ms);
    pm_wheel_remove(timer);
    timer->tick = tick < wheel->tick ? wheel->tick : tick;
    size_t slot = (size_t)(timer->tick % PM_WHEEL_SLOTS);
    timer->next = wheel->slots[slot];
    timer->link = &wheel->slots[slot];
    if (timer->next != NULL) {
        timer->next->link = &timer->next;
    }
    wheel->slots[slot] = timer;
    wheel->used[slot / 64] |= UINT64_C(1) << slot % 64;
}

/* Moves what is due in one slot to the end of the list. */
static pm_timer **take_slot(pm_wheel *wheel, size_t slot, int64_t tick, pm_timer **end)
{
    for (pm_timer *timer = wheel->slots[slot]; timer != NULL;) {
        pm_timer *next = timer->next;
        if (timer->tick <= tick) {
            pm_wheel_remove(timer);
            timer->next = NULL;
            *end = timer;
            end = &timer->next;
        }
        timer = next;
    }
    if (wheel->slots[slot] == NULL) {
        wheel->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    }
    return end;
}

pm_timer *pm_wheel_expire(pm_wheel *wheel, int64_t now_ms)
{
    pm_timer *first = NULL;
    pm_timer **end = &first;
    int64_t last = now_ms / PM_WHEEL_TICK;
    int64_t from = wheel->tick;
    if (last - from >= PM_WHEEL_SLOTS) { /* once round is enough */
        from = last - PM_WHEEL_SLOTS + 1;
    }
    for (int64_t tick = from; tick <= last; tick++) {
        size_t slot = (size_t)(tick % PM_WHEEL_SLOTS);
        if ((wheel->used[slot / 64] & UINT64_C(1) << slot % 64) != 0) {
            end = take_slot(wheel, slot, last, end);
        }
    }
    if (last >= wheel->tick) {
        wheel->tick = last + 1;
    }
    return first;
}

int64_t pm_wheel_next(const pm_wheel *wheel)
{
    size_t start = (size_t)(wheel->tick % PM_WHEEL_SLOTS);
    for (size_t i = 0; i <= PM_WHEEL_SLOTS / 64; i++) {
        size_t word = (start / 64 + i) % (PM_WHEEL_SLOTS / 64);
        uint64_t bits = wheel->used[word];
        if (i == 0) {
            bits &= ~UINT64_C(0) << start % 64;
        } else if (i == PM_WHEEL_SLOTS / 64) {
            bits &= ~(~UINT64_C(0) << start % 64);
        }
        if (bits != 0) {
            size_t slot = word * 64 + (size_t)__builtin_ctzll(bits);
            size_t ahead = (slot + PM_WHEEL_SLOTS - start) % PM_WHEEL_SLOTS;
            return (wheel->tick + (int64_t)ahead) * PM_WHEEL_TICK;
        }
    }
    return PM_NEVER;
}
