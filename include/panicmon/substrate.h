/** @file substrate.h
 * The built-in strategies for Substrate chains, and what they read them with: metadata, storage
 * keys, SCALE values, addresses.
 */
#ifndef PANICMON_SUBSTRATE_H
#define PANICMON_SUBSTRATE_H

#include <panicmon/strategy.h>

PANICMON_BEGIN_DECLS

/**
 * What the monitors of Substrate chains share: decoded metadata, the state of each chain at its
 * last finalized block, the events of blocks. Reference counted; any thread. With one, a hundred
 * validators of a chain cost hardly more calls than one.
 */
typedef struct panicmon_substrate panicmon_substrate;

/** Makes one, with one reference. */
PANICMON_API panicmon_err panicmon_substrate_new(panicmon_substrate **out);

/** Takes another reference and gives the same object; NULL gives NULL. */
PANICMON_API panicmon_substrate *panicmon_substrate_ref(panicmon_substrate *shared);

/** Drops a reference; NULL is allowed. */
PANICMON_API void panicmon_substrate_free(panicmon_substrate *shared);

/**
 * The table of the strategy `substrate_node`, for panicmon_registry_add() and
 * panicmon_starter_new(). Static. Any thread. Its `user` is a reference to a panicmon_substrate,
 * which the strategy takes over (its user_free drops it), or NULL: then every monitor has its own.
 *
 * It takes PANIC's config (`id`, `parent_id`, `name`, `node_ws_url`, `monitor_node`,
 * `is_validator`, `use_as_data_source`, `is_archive_node`, `stash_address`) and the short form
 * `{"node_id": ..., "ws_url": ...}`. A stash is an SS58 address of any network, or "0x" and 32
 * bytes in hex: accounts are compared by their public key. One member more is ours:
 * `asset_hub_ws_url`, a node of the Asset Hub to which the chain moved its staking. Where an entry
 * names none, another entry of its set that does serves, and then any monitored node that carries
 * the staking of a relay chain with the same address format and token.
 *
 * Its sample is PANIC's, but for these, where PANIC is wrong or blind:
 * - the history depth is read from the constant where the storage item is gone;
 * - paged exposures, claims by page, disabled validators with severity, staking on the Asset Hub;
 *   `claimed_rewards` then also lists the eras of the history of which every page is claimed;
 * - `slashed_amount` is exact; addresses of another network's format match;
 * - a stash that is not bonded, or an era that is not known, gives a sample and no error;
 * - the history goes on where the last confirmed sample ended, over restarts (state store, by
 *   genesis hash and node id), never twice over the same blocks; blocks that the source no longer
 *   has are left out;
 * - heights do not go back while the chain is the same;
 * - a source that is far behind the others, or stands still, is used after them.
 *
 * What a chain does not have takes the value that raises no alert; why stands in
 * `data.panicmon.absent`, an object of field names and reasons. A validator's fields then are:
 * - `current_session`, `current_era`, `history_depth_eras`: null (no Session; no Staking, or
 * staking on an Asset Hub that is not known; neither item nor constant);
 * - `active`: true where Session.Validators is missing, or holds accounts of another size;
 *   `disabled`: false without Session.DisabledValidators;
 * - `elected`: as `active`, where there is no staking to ask, or nobody is elected yet;
 * - `authored_blocks`: "0x00000000", `sent_heartbeat`: as `active`, `is_offline` of the history:
 *   false, where the ImOnline pallet is gone;
 * - `eras_stakers`: null totals and no nominators without staking; zeros for a stash without stake;
 * - `controller_address`: null for a stash that is not bonded;
 * - `claimed_rewards`, `unclaimed_rewards`: empty without a list of claims (no ledger, no staking);
 *   the ledger's list (`claimedRewards`, `legacyClaimedRewards`) comes first, then, on chains that
 *   keep claims by page, the eras of the history of which all pages are claimed, in order;
 * - `previous_era_rewards`: 0 without staking, or without points.
 *
 * When the chain moved its staking to the Asset Hub and its node, named by the config, does not
 * answer, the others that the set names are asked; without any, the round fails as it does without
 * a data source (5019), so that somebody is told. Where no config names one, and no monitored node
 * serves, the fields of the staking are absent as above, and the round goes on.
 *
 * Accounts of 20 bytes (Moonbeam and its like) are no stash: such an entry is refused unless
 * `is_validator` is false. The node itself, its chain's referenda and its decoder work as
 * everywhere; the single votes of such accounts are not listed.
 */
PANICMON_API const panicmon_strategy_ops *panicmon_substrate_node_strategy(void);

/**
 * The table of the strategy `substrate_network`: one monitor for each config set, as far as its
 * entries say `monitor_network`. `parent_id`, `monitor_network` and `governance_addresses` must be
 * the same in all entries. Otherwise as panicmon_substrate_node_strategy().
 *
 * On chains with OpenGov (Referenda) the same envelope has the same meaning. A referendum that is
 * not over is `ongoing`: `end` is the block at which it is confirmed, decided or timed out as
 * things stand, `threshold` the name of its track, `turnout` its support, and it `isPassing` while
 * it has the approval and the support that the curves of its track (constant Referenda.Tracks) ask
 * for at this time of its decision period, support being a share of the active issuance
 * (Balances.TotalIssuance without InactiveIssuance); one that waits for its decision is judged as
 * if the period began now. Where a parachain's referenda are timed by the relay chain, so are
 * these. Approved ones are `finished` with `approved` true, all others that
 * are over with false. There are no public proposals: the count is zero, the list empty.
 * `imageHash` and `proposalHash` are the hash of the proposal, also of bounded ones. Where
 * governance moved to the Asset Hub together with the staking, it is read there. On chains with
 * neither, the lists are empty and the counts zero; why stands in `data.panicmon.absent`.
 *
 * Accounts that are governance addresses are written as the config has them, whatever network's
 * format that is. What is over is read once.
 */
PANICMON_API const panicmon_strategy_ops *panicmon_substrate_network_strategy(void);

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
 * NULL. ERR_LIMIT: it would be longer than 64 MiB.
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
 * message says at which byte and where in the type. ERR_LIMIT: more than 64 MiB of JSON.
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
