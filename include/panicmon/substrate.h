/* substrate.h: the built-in strategy for nodes of Substrate chains. */
#ifndef PANICMON_SUBSTRATE_H
#define PANICMON_SUBSTRATE_H

#include <panicmon/strategy.h>

PANICMON_BEGIN_DECLS

/**
 * The table of the strategy `substrate_node`, for panicmon_registry_add() and
 * panicmon_starter_new(); its `user` is NULL. Static. Any thread.
 *
 * It takes PANIC's config (`id`, `parent_id`, `name`, `node_ws_url`, `monitor_node`,
 * `is_validator`, `use_as_data_source`, `is_archive_node`, `stash_address`) and the short form
 * `{"node_id": ..., "ws_url": ...}`.
 */
PANICMON_API const panicmon_strategy_ops *panicmon_substrate_node_strategy(void);

PANICMON_END_DECLS

#endif
