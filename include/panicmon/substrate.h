/** @file substrate.h
 * The built-in strategy for nodes of Substrate chains, and what it reads them with: metadata,
 * storage keys, SCALE values, addresses.
 */
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

/**
 * A chain's metadata: its types, storage items, constants and events. Immutable; any thread may
 * use one at any time, several at once.
 */
typedef struct panicmon_metadata panicmon_metadata;

/**
 * Decodes metadata of version 14, 15 or 16: the answer of `state_getMetadata`, or of the runtime
 * call `Metadata_metadata_at_version`. `data` is binary or hex text ("0x" and white space around it
 * are allowed), with or without the wrapping of the runtime call (Option, length); it is copied.
 * ERR_PARSE, with the byte in the message, for anything else, and for versions 9 to 13, which do
 * not say how their values are laid out. ERR_LIMIT when it is larger than 16 MiB.
 */
PANICMON_API panicmon_err panicmon_metadata_new(panicmon_metadata **out, const void *data,
                                                size_t len, panicmon_error **err);

/** Frees it; NULL is allowed. */
PANICMON_API void panicmon_metadata_free(panicmon_metadata *metadata);

/** The version of the metadata's format: 14, 15 or 16. */
PANICMON_API uint32_t panicmon_metadata_version(const panicmon_metadata *metadata);

/** How many bytes it holds. */
PANICMON_API size_t panicmon_metadata_size(const panicmon_metadata *metadata);

/** How panicmon_metadata_list() writes. */
typedef enum panicmon_list_format {
    /**
     * `{"version", "types", "pallets": [{"name", "index", "prefix", "storage": [{"name",
     * "modifier", "hashers", "keys", "value"}], "constants": [{"name", "type"}], "events":
     * [{"name", "index", "fields": [{"name", "type"}]}]}], "apis": [{"name", "methods": [{"name",
     * "inputs": [{"name", "type"}], "output"}]}]}`; a type is `{"id", "name"}`.
     */
    PANICMON_LIST_JSON = 0,
    /** Lines for people to read. */
    PANICMON_LIST_TEXT = 1
} panicmon_list_format;

/**
 * What the chain has: pallets with storage items, constants and events, runtime calls.
 * `format`: a panicmon_list_format. The text is the caller's: panicmon_text_free(). `len` may be
 * NULL.
 */
PANICMON_API panicmon_err panicmon_metadata_list(const panicmon_metadata *metadata, uint32_t format,
                                                 char **text, size_t *len, panicmon_error **err);

/** How values are written as JSON. Or-ed together. */
typedef enum panicmon_value_flags {
    /** By the chain's types alone: integers of any width as decimal text, bytes as "0x..". */
    PANICMON_VALUE_CANON = 0,
    /** As polkadot-js does in toJSON(). The flags below only matter with it. */
    PANICMON_VALUE_POLKADOT_JS = 1,
    /** Integers over 53 bits as decimal text instead of hex. */
    PANICMON_VALUE_BIG_DECIMAL = 2,
    /** An integer that is the whole value as hex, as the routes of PANIC's API give it. */
    PANICMON_VALUE_TOP_HEX = 4
} panicmon_value_flags;

/**
 * The value of a storage item ("System.Events": the event records) as JSON. `bytes` is all of its
 * SCALE; NULL: the chain has no value there, and the item's default or `null` is given.
 * `flags`: panicmon_value_flags. The text is the caller's: panicmon_text_free(). `len` may be NULL.
 * ERR_NOENT: no such item; ERR_PARSE: the bytes are not exactly one value of its type, and the
 * message says at which byte and where in the type.
 */
PANICMON_API panicmon_err panicmon_metadata_decode_storage(const panicmon_metadata *metadata,
                                                           const char *pallet, const char *item,
                                                           const void *bytes, size_t bytes_len,
                                                           uint32_t flags, char **json, size_t *len,
                                                           panicmon_error **err);

/** The value of a constant; otherwise as panicmon_metadata_decode_storage(). */
PANICMON_API panicmon_err panicmon_metadata_decode_constant(const panicmon_metadata *metadata,
                                                            const char *pallet, const char *name,
                                                            uint32_t flags, char **json,
                                                            size_t *len, panicmon_error **err);

/** A value of the type with this number in the metadata; otherwise as above. */
PANICMON_API panicmon_err panicmon_metadata_decode_type(const panicmon_metadata *metadata,
                                                        uint32_t type, const void *bytes,
                                                        size_t bytes_len, uint32_t flags,
                                                        char **json, size_t *len,
                                                        panicmon_error **err);

/** The result of a method of a runtime API (`state_call`); V15 and V16 only. Otherwise as above. */
PANICMON_API panicmon_err panicmon_metadata_decode_result(const panicmon_metadata *metadata,
                                                          const char *api, const char *method,
                                                          const void *bytes, size_t bytes_len,
                                                          uint32_t flags, char **json, size_t *len,
                                                          panicmon_error **err);

/**
 * The SCALE of a value given as JSON (what either form above gives is taken back), as "0x.." text.
 * ERR_INVAL: it is no value of the type; the message says where.
 */
PANICMON_API panicmon_err panicmon_metadata_encode_type(const panicmon_metadata *metadata,
                                                        uint32_t type, const char *json,
                                                        size_t json_len, char **hex, size_t *len,
                                                        panicmon_error **err);

/**
 * A storage key as "0x.." text. An argument is a decimal number, "0x" bytes (its SCALE or, for
 * byte types, its content), an SS58 address, or JSON; fewer arguments than the item takes give the
 * prefix of all its keys that begin with them. ERR_NOENT: no such item; ERR_INVAL: an argument
 * does not fit the type at its place.
 */
PANICMON_API panicmon_err panicmon_metadata_storage_key(const panicmon_metadata *metadata,
                                                        const char *pallet, const char *item,
                                                        const char *const *args, size_t arg_count,
                                                        char **hex, size_t *len,
                                                        panicmon_error **err);

/** Frees text that a function of this header gave; NULL is allowed. */
PANICMON_API void panicmon_text_free(char *text);

/**
 * The 32-byte account and the network prefix (may be NULL) of an SS58 address. ERR_PARSE: it is
 * none, or the checksum is wrong. Any thread.
 */
PANICMON_API panicmon_err panicmon_ss58_decode(const char *address, size_t len, uint8_t account[32],
                                               uint16_t *prefix);

/**
 * The SS58 address of a 32-byte account, zero-terminated, into `address` of `size` bytes (64
 * always suffice). ERR_INVAL: the prefix is over 16383; ERR_LIMIT: `size` is too small.
 */
PANICMON_API panicmon_err panicmon_ss58_encode(const uint8_t account[32], uint16_t prefix,
                                               char *address, size_t size);

PANICMON_END_DECLS

#endif
