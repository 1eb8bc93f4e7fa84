/* network_fetch.h: the governance of a chain at one block: public proposals and referenda of
 * Democracy, or the referenda of OpenGov. A machine inside of a network monitor's round.
 *
 * COUNTS   how many there are
 * INFOS    each that is not known to be over
 * KEYS     who voted, while any is going on
 * VOTES    how */
#ifndef PM_SUBSTRATE_NETWORK_FETCH_H
#define PM_SUBSTRATE_NETWORK_FETCH_H

#include "substrate/chain_query.h"
#include "substrate/network_config.h"

typedef enum pm_gov_item {
    PM_GOV_STALLED,
    PM_GOV_PROP_COUNT,
    PM_GOV_PROPS,
    PM_GOV_DEPOSIT,
    PM_GOV_PREIMAGE,
    PM_GOV_COUNT,
    PM_GOV_INFO,
    PM_GOV_VOTING,
    PM_GOV_ISSUANCE,
    PM_GOV_INACTIVE,
    PM_GOV_RELAY_BLOCK,
    PM_GOV_ITEM_COUNT
} pm_gov_item;

typedef enum pm_gov_kind { PM_GOV_NONE, PM_GOV_DEMOCRACY, PM_GOV_OPEN } pm_gov_kind;

typedef enum pm_gov_stage {
    PM_GOV_COUNTS,
    PM_GOV_INFOS,
    PM_GOV_KEYS,
    PM_GOV_VOTES,
    PM_GOV_DONE,
    PM_GOV_FAILED
} pm_gov_stage;

/* A referendum. What is over is kept over rounds. */
typedef struct pm_referendum {
    bool over; /* finished, or was never there */
    bool ongoing;
    char *json;              /* as in all_referendums */
    char *status;            /* of an ongoing one: the inside of "ongoing" */
    char hash[PM_HASH_TEXT]; /* of its proposal */
    uint32_t class;          /* its track; 0 on Democracy chains */
    char threshold;          /* 'M'ajority, super majority 'A'pprove or a'G'ainst, 'O'penGov */
    bool passing;            /* of OpenGov */
    pm_u128 ayes, nays, turnout;
} pm_referendum;

typedef struct pm_vote {
    uint8_t account[PM_ACCOUNT_SIZE];
    uint32_t referendum; /* its index */
    bool delegating;
    uint8_t vote; /* bit 7: aye; below: the conviction */
    pm_u128 balance;
} pm_vote;

/* Who lets whom vote, in which class. */
typedef struct pm_delegation {
    uint8_t account[PM_ACCOUNT_SIZE];
    uint8_t target[PM_ACCOUNT_SIZE];
    uint32_t class;
    uint8_t conviction;
    pm_u128 balance;
} pm_delegation;

typedef struct pm_governance {
    pm_substrate *shared;

    /* over rounds, for one chain */
    char *chain; /* genesis and kind */
    pm_referendum *referenda;
    size_t referendum_count;

    /* of a round */
    pm_gov_stage stage;
    bool asked;
    pm_gov_kind kind;
    const pm_network_config *config;
    const char *url; /* of the chain with the governance */
    char hash[PM_HASH_TEXT];
    pm_runtime *runtime;
    pm_storage items[PM_GOV_ITEM_COUNT];
    bool has[PM_GOV_ITEM_COUNT];
    int64_t height;
    uint16_t prefix;
    pm_query query;
    pm_query stalled_query; /* of the relay chain */
    pm_storage stalled_item;
    bool has_stalled;
    pm_buf stalled;   /* JSON */
    pm_buf proposals; /* JSON */
    pm_buf props;     /* the raw PublicProps, in bytes */
    uint32_t prop_count;
    uint32_t count;
    pm_u128 issuance;     /* of OpenGov: without what is inactive */
    uint64_t relay_block; /* that a parachain knows of; 0: none */
    panicmon_request keys_request;
    pm_buf *voters; /* raw keys, in order */
    size_t voter_count;
    size_t voter_room;
    int pages;
    bool some_votes_only; /* too many voted: those of the governance addresses were read */
    pm_vote *votes;
    size_t vote_count;
    pm_delegation *delegations;
    size_t delegation_count;

    /* why it failed */
    panicmon_err status;
    bool shape;
    const char *method;
    pm_buf message;
} pm_governance;

/* Begins at a block. `stalled_*`: where Grandpa is; runtimes are referenced. */
panicmon_err pm_governance_begin(pm_governance *gov, const pm_network_config *config,
                                 const char *genesis, const char *url, const char *hash,
                                 int64_t height, pm_runtime *runtime, uint16_t prefix);
void pm_governance_stalled(pm_governance *gov, const char *url, const char *hash,
                           const pm_runtime *runtime);
panicmon_err pm_governance_step(pm_governance *gov, panicmon_round *round);
/* The kind of a runtime's governance. */
pm_gov_kind pm_governance_kind(const pm_runtime *runtime);
void pm_governance_end(pm_governance *gov);
void pm_governance_free(pm_governance *gov);

/* network_fetch.c, for the other files of it: one more value to ask for, where the chain has it;
 * and a call that failed, or gave what it should not. */
void pm_gov_ask(pm_governance *gov, panicmon_round *round, pm_gov_item item, const pm_key_arg *args,
                size_t count);
void pm_gov_fail(pm_governance *gov, const char *method, const panicmon_reply *reply);

/* network_votes.c: the stages KEYS and VOTES */
panicmon_err pm_gov_ask_keys(pm_governance *gov, panicmon_round *round);
panicmon_err pm_gov_take_keys(pm_governance *gov, panicmon_round *round);
panicmon_err pm_gov_ask_votes(pm_governance *gov, panicmon_round *round);
panicmon_err pm_gov_take_votes(pm_governance *gov, panicmon_round *round);
void pm_gov_drop_voters(pm_governance *gov);

/* network_read.c */
panicmon_err pm_referendum_read(pm_governance *gov, pm_referendum *out, pm_value info);
panicmon_err pm_proposals_read(pm_governance *gov);
panicmon_err pm_voting_read(pm_governance *gov, const uint8_t *account, uint32_t class,
                            pm_value voting);
panicmon_err pm_delegations_apply(pm_governance *gov);
void pm_referendum_clear(pm_referendum *referendum);
void pm_gov_add_js(pm_buf *out, const pm_governance *gov, pm_value value);
/* The hash of a proposal: plain, or in (or of) a bounded call. */
bool pm_gov_proposal_hash(pm_value proposal, char out[PM_HASH_TEXT]);
/* The first of the two fields that is there. */
pm_value pm_gov_either(pm_value fields, const char *name, const char *other);
void pm_gov_read_tally(pm_referendum *out, pm_value tally);

/* network_open.c: an ongoing referendum of OpenGov; `status` gets the inside of "ongoing". */
void pm_open_read(pm_governance *gov, pm_referendum *out, pm_value fields, pm_buf *status);

/* network_view.c */
void pm_network_sample(pm_buf *out, const pm_network_config *config, const char *monitor_name,
                       const pm_governance *gov, const char *source_url);
void pm_network_error_sample(pm_buf *out, const pm_network_config *config, const char *monitor_name,
                             int code, const char *message);
/* An account as the config spells it, where it is one of the governance addresses. */
void pm_network_account(pm_buf *out, const pm_network_config *config, uint16_t prefix,
                        const uint8_t *account);

#endif
