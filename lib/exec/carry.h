/* carry.h: small things that executors share when they carry out requests. */
#ifndef PM_CARRY_H
#define PM_CARRY_H

#include "exec/figures.h"
#include "net/rpc.h"
#include "net/store.h"

/* Carries out a load or store and finishes it; blocks as long as the store does. */
void pm_carry_stored(pm_store *store, pm_request *request);
/* Finishes a PM_REQUEST_WAIT whose deadline has come. */
void pm_carry_waited(pm_request *request);
/* Adds to the figures what `now` is more than `*before`, which becomes `now`. */
void pm_figures_add_rpc(pm_figures *figures, const pm_rpc_counts *now, pm_rpc_counts *before);

/* A request that carries out what others asked for and may outlive them. Its texts are those of the
 * first one as long as that waits. Those who wait are linked by `next`; their `carrier` is the
 * parcel. */
typedef struct pm_parcel {
    pm_request wire; /* first */
    pm_request *waiters;
    const pm_request *lender; /* whose texts they are; NULL: its own */
} pm_parcel;

void pm_parcel_take(pm_parcel *parcel, pm_request *request);
/* Makes the texts its own; without memory they are empty, and false. */
bool pm_parcel_own(pm_parcel *parcel);
void pm_parcel_join(pm_parcel *parcel, pm_request *request);
/* Takes a request away from its parcel, if it has one, and finishes it with ERR_CANCELED. */
void pm_parcel_leave(pm_request *request);
/* Finishes all who wait with the outcome of `wire`, and frees its texts. */
void pm_parcel_deliver(pm_parcel *parcel);

#endif
