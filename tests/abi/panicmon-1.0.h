/* The headers as released, written by tests/abi/update.sh. */
/* clang-format off */
#include <stddef.h>
#include <stdint.h>
typedef enum panicmon_err {
    PANICMON_OK = (0), PANICMON_ERR_NOMEM = (-1), PANICMON_ERR_INVAL = (-2), PANICMON_ERR_EXISTS = (-3), PANICMON_ERR_NOENT = (-4), PANICMON_ERR_PARSE = (-5), PANICMON_ERR_STATE = (-6), PANICMON_ERR_TIMEOUT = (-7), PANICMON_ERR_CANCELED = (-8), PANICMON_ERR_LIMIT = (-9), PANICMON_ERR_AMQP = (-10), PANICMON_ERR_REDIS = (-11), PANICMON_ERR_WS = (-12), PANICMON_ERR_RPC = (-13), PANICMON_ERR_CALLBACK = (-14), PANICMON_ERR_TOONEW = (-15), PANICMON_ERR_DEADLOCK = (-16), PANICMON_ERR_SYSTEM = (-17), PANICMON_ERR_PROTOCOL = (-18), PANICMON_ERR_HTTP = (-19),
        PANICMON_ERR_MAX_ = 0x7fffffff
} panicmon_err;
__attribute__((visibility("default"))) const char *panicmon_strerror(panicmon_err code);
__attribute__((visibility("default"))) const char *panicmon_err_name(panicmon_err code);
__attribute__((visibility("default"))) size_t panicmon_err_count(void);
__attribute__((visibility("default"))) panicmon_err panicmon_err_at(size_t i, panicmon_err *code, const char **name,
                                          const char **text);
typedef struct panicmon_error panicmon_error;
__attribute__((visibility("default"))) panicmon_err panicmon_error_set(panicmon_error **err, panicmon_err code,
                                             const char *message);
__attribute__((visibility("default"))) void panicmon_error_free(panicmon_error *err);
__attribute__((visibility("default"))) panicmon_err panicmon_error_code(const panicmon_error *err);
__attribute__((visibility("default"))) const char *panicmon_error_message(const panicmon_error *err);
typedef enum panicmon_log_level {
    PANICMON_LOG_ERROR = 0,
    PANICMON_LOG_WARNING = 1,
    PANICMON_LOG_INFO = 2,
    PANICMON_LOG_DEBUG = 3,
    PANICMON_LOG_MAX_ = 0x7fffffff
} panicmon_log_level;
typedef enum panicmon_log_format {
    PANICMON_LOG_TEXT = 0,
    PANICMON_LOG_JSON = 1,
    PANICMON_LOG_FORMAT_MAX_ = 0x7fffffff
} panicmon_log_format;
typedef struct panicmon_log panicmon_log;
typedef void (*panicmon_log_fn)(void *user, panicmon_log_level level, const char *component,
                                const char *message);
__attribute__((visibility("default"))) panicmon_err panicmon_log_new(panicmon_log **out, panicmon_log_fn fn, void *user,
                                           void (*user_free)(void *user));
__attribute__((visibility("default"))) panicmon_err panicmon_log_new_fd(panicmon_log **out, int fd,
                                              panicmon_log_format format);
__attribute__((visibility("default"))) void panicmon_log_set_level(panicmon_log *log, panicmon_log_level level);
__attribute__((visibility("default"))) panicmon_err panicmon_log_level_parse(const char *name, panicmon_log_level *out);
__attribute__((visibility("default"))) void panicmon_log_write(panicmon_log *log, panicmon_log_level level,
                                     const char *component, const char *message);
__attribute__((visibility("default"))) void panicmon_log_free(panicmon_log *log);
typedef struct panicmon_round panicmon_round;
typedef struct panicmon_reply panicmon_reply;
typedef uint32_t panicmon_request;
enum {
    PANICMON_MONITOR_BLOCKING = 1u << 0
};
typedef struct panicmon_monitor_ops {
    uint32_t struct_size;
    uint32_t flags;
    panicmon_err (*step)(void *monitor, panicmon_round *round, panicmon_error **err);
    panicmon_err (*update)(void *monitor, void *parsed);
    void (*monitor_free)(void *monitor);
} panicmon_monitor_ops;
enum {
    PANICMON_RPC_PINNED = 1u << 0,
    PANICMON_RPC_ALONE = 1u << 1
};
enum {
    PANICMON_HTTP_FOLLOW = 1u << 0
};
__attribute__((visibility("default"))) uint32_t panicmon_round_step(const panicmon_round *round);
__attribute__((visibility("default"))) int64_t panicmon_round_time_ms(const panicmon_round *round);
__attribute__((visibility("default"))) const char *panicmon_round_name(const panicmon_round *round);
__attribute__((visibility("default"))) panicmon_err panicmon_round_rpc(panicmon_round *round, const char *url,
                                             const char *method, const char *params, uint32_t flags,
                                             panicmon_request *out);
__attribute__((visibility("default"))) panicmon_err panicmon_round_http(panicmon_round *round, const char *method,
                                              const char *url, const char *headers,
                                              const void *body, size_t len, uint32_t flags,
                                              panicmon_request *out);
__attribute__((visibility("default"))) panicmon_err panicmon_round_publish(panicmon_round *round, const char *exchange,
                                                 const char *routing_key, const char *body,
                                                 size_t len, panicmon_request *out);
__attribute__((visibility("default"))) panicmon_err panicmon_round_heartbeat(panicmon_round *round, panicmon_request *out);
__attribute__((visibility("default"))) panicmon_err panicmon_round_load(panicmon_round *round, const char *key,
                                              panicmon_request *out);
__attribute__((visibility("default"))) panicmon_err panicmon_round_store(panicmon_round *round, const char *key,
                                               const void *value, size_t len,
                                               panicmon_request *out);
__attribute__((visibility("default"))) panicmon_err panicmon_round_wait(panicmon_round *round, int64_t ms,
                                              panicmon_request *out);
__attribute__((visibility("default"))) const panicmon_reply *panicmon_round_reply(const panicmon_round *round,
                                                        panicmon_request request);
__attribute__((visibility("default"))) panicmon_err panicmon_reply_status(const panicmon_reply *reply);
__attribute__((visibility("default"))) const char *panicmon_reply_body(const panicmon_reply *reply, size_t *len);
__attribute__((visibility("default"))) int64_t panicmon_reply_code(const panicmon_reply *reply);
__attribute__((visibility("default"))) const char *panicmon_reply_message(const panicmon_reply *reply);
__attribute__((visibility("default"))) void panicmon_round_fail(panicmon_round *round, panicmon_err code,
                                      const char *message);
__attribute__((visibility("default"))) void panicmon_round_log(panicmon_round *round, int level, const char *message);
typedef struct panicmon_monitor panicmon_monitor;
typedef enum panicmon_monitor_state {
    PANICMON_MONITOR_STARTING = 0,
    PANICMON_MONITOR_RUNNING = 1,
    PANICMON_MONITOR_FAILING = 2,
    PANICMON_MONITOR_BACKOFF = 3,
    PANICMON_MONITOR_STOPPED = 4,
    PANICMON_MONITOR_STATE_MAX_ = 0x7fffffff
} panicmon_monitor_state;
__attribute__((visibility("default"))) const char *panicmon_monitor_id(const panicmon_monitor *monitor);
__attribute__((visibility("default"))) const char *panicmon_monitor_name(const panicmon_monitor *monitor);
__attribute__((visibility("default"))) panicmon_monitor_state panicmon_monitor_get_state(const panicmon_monitor *monitor);
__attribute__((visibility("default"))) int64_t panicmon_monitor_rounds(const panicmon_monitor *monitor);
__attribute__((visibility("default"))) void panicmon_monitor_stop(panicmon_monitor *monitor);
__attribute__((visibility("default"))) panicmon_err panicmon_monitor_join(panicmon_monitor *monitor, int64_t timeout_ms);
__attribute__((visibility("default"))) void panicmon_monitor_free(panicmon_monitor *monitor);
typedef struct panicmon_settings panicmon_settings;
typedef void (*panicmon_fault_fn)(void *user, const char *message);
__attribute__((visibility("default"))) panicmon_err panicmon_settings_new(panicmon_settings **out);
__attribute__((visibility("default"))) void panicmon_settings_free(panicmon_settings *settings);
__attribute__((visibility("default"))) panicmon_err panicmon_settings_set(panicmon_settings *settings, const char *name,
                                                const char *value, panicmon_error **err);
__attribute__((visibility("default"))) const char *panicmon_settings_get(const panicmon_settings *settings, const char *name);
__attribute__((visibility("default"))) size_t panicmon_settings_count(void);
__attribute__((visibility("default"))) panicmon_err panicmon_settings_at(size_t i, const char **name,
                                               const char **default_value, const char **help);
__attribute__((visibility("default"))) panicmon_err panicmon_settings_load(panicmon_settings *settings, const char *json,
                                                 size_t len, panicmon_fault_fn fault, void *user,
                                                 panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_settings_load_file(panicmon_settings *settings, const char *path,
                                                      panicmon_fault_fn fault, void *user,
                                                      panicmon_error **err);
__attribute__((visibility("default"))) const char *panicmon_settings_configs(const panicmon_settings *settings, size_t *len);
typedef struct panicmon_config_set panicmon_config_set;
typedef struct panicmon_config panicmon_config;
typedef struct panicmon_plan panicmon_plan;
typedef struct panicmon_launch panicmon_launch;
typedef enum panicmon_kind {
    PANICMON_KIND_NODE = 0,
    PANICMON_KIND_NETWORK = 1,
    PANICMON_KIND_SYSTEM = 2,
    PANICMON_KIND_REPO = 3,
    PANICMON_KIND_MAX_ = 0x7fffffff
} panicmon_kind;
__attribute__((visibility("default"))) const char *panicmon_config_set_routing_key(const panicmon_config_set *set);
__attribute__((visibility("default"))) const char *panicmon_config_set_word(const panicmon_config_set *set, size_t i);
__attribute__((visibility("default"))) size_t panicmon_config_set_count(const panicmon_config_set *set);
__attribute__((visibility("default"))) const panicmon_config *panicmon_config_set_at(const panicmon_config_set *set,
                                                           size_t i);
__attribute__((visibility("default"))) int64_t panicmon_config_set_stamp(const panicmon_config_set *set);
__attribute__((visibility("default"))) const panicmon_config_set *panicmon_config_of(const panicmon_config *config);
__attribute__((visibility("default"))) const char *panicmon_config_id(const panicmon_config *config);
__attribute__((visibility("default"))) const char *panicmon_config_json(const panicmon_config *config, size_t *len);
__attribute__((visibility("default"))) int panicmon_config_has(const panicmon_config *config, const char *field);
__attribute__((visibility("default"))) panicmon_err panicmon_config_text(const panicmon_config *config, const char *field,
                                               const char **out, panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_config_flag(const panicmon_config *config, const char *field,
                                               int absent, int *out, panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_config_fault(const panicmon_config *config, const char *field,
                                                const char *problem, panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_plan_add(panicmon_plan *plan, const char *id, const char *json,
                                            size_t len, panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_launch_name(panicmon_launch *launch, const char *name);
__attribute__((visibility("default"))) panicmon_err panicmon_launch_kind(panicmon_launch *launch, panicmon_kind kind);
__attribute__((visibility("default"))) panicmon_err panicmon_launch_period(panicmon_launch *launch, int64_t period_ms);
__attribute__((visibility("default"))) panicmon_err panicmon_launch_source(panicmon_launch *launch, const char *chain_id,
                                                 const char *source_id, const char *source_name);
__attribute__((visibility("default"))) panicmon_err panicmon_launch_monitor(panicmon_launch *launch,
                                                  const panicmon_monitor_ops *ops, void *monitor);
typedef struct panicmon_strategy_ops {
    uint32_t struct_size;
    uint32_t flags;
    const char *name;
    panicmon_err (*plan)(void *user, const panicmon_config_set *set, panicmon_plan *plan,
                         panicmon_error **err);
    panicmon_err (*parse)(void *user, const panicmon_config *config, void **parsed,
                          panicmon_error **err);
    panicmon_err (*start)(void *user, void *parsed, panicmon_launch *launch, panicmon_error **err);
    void (*parsed_free)(void *user, void *parsed);
    void (*user_free)(void *user);
} panicmon_strategy_ops;
typedef struct panicmon_registry panicmon_registry;
__attribute__((visibility("default"))) panicmon_err panicmon_registry_new(panicmon_registry **out);
__attribute__((visibility("default"))) void panicmon_registry_free(panicmon_registry *registry);
__attribute__((visibility("default"))) panicmon_err panicmon_registry_add(panicmon_registry *registry, const char *pattern,
                                                const panicmon_strategy_ops *ops, void *user,
                                                panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_registry_remove(panicmon_registry *registry, const char *pattern,
                                                   const char *name);
__attribute__((visibility("default"))) size_t panicmon_registry_match(panicmon_registry *registry, const char *routing_key,
                                            size_t i, const char **name);
__attribute__((visibility("default"))) panicmon_err panicmon_registry_add_builtin(panicmon_registry *registry,
                                                        panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_registry_check(panicmon_registry *registry,
                                                  const char *routing_key, const char *json,
                                                  size_t len, panicmon_fault_fn fault, void *user,
                                                  size_t *monitorables);
__attribute__((visibility("default"))) panicmon_err panicmon_registry_check_all(panicmon_registry *registry, const char *json,
                                                      size_t len, panicmon_fault_fn fault,
                                                      void *user, size_t *monitorables);
typedef struct panicmon_sink panicmon_sink;
typedef panicmon_err (*panicmon_message_fn)(void *user, const char *exchange,
                                            const char *routing_key, const char *body, size_t len);
__attribute__((visibility("default"))) panicmon_err panicmon_sink_new_callback(panicmon_sink **out, panicmon_message_fn fn,
                                                     void *user, void (*user_free)(void *user));
__attribute__((visibility("default"))) panicmon_err panicmon_sink_new_jsonl(panicmon_sink **out, int fd);
__attribute__((visibility("default"))) panicmon_err panicmon_sink_new_amqp(panicmon_sink **out,
                                                 const panicmon_settings *settings,
                                                 panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_sink_new_tee(panicmon_sink **out, panicmon_sink *first,
                                                panicmon_sink *watcher);
__attribute__((visibility("default"))) void panicmon_sink_free(panicmon_sink *sink);
typedef struct panicmon_runtime panicmon_runtime;
typedef struct panicmon_message panicmon_message;
typedef struct panicmon_stats panicmon_stats;
__attribute__((visibility("default"))) panicmon_err panicmon_runtime_new(panicmon_runtime **out, panicmon_registry *registry,
                                               const panicmon_settings *settings,
                                               panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_runtime_set_log(panicmon_runtime *runtime, panicmon_log *log);
__attribute__((visibility("default"))) panicmon_err panicmon_runtime_set_sink(panicmon_runtime *runtime, panicmon_sink *sink);
__attribute__((visibility("default"))) panicmon_err panicmon_runtime_start(panicmon_runtime *runtime, panicmon_error **err);
__attribute__((visibility("default"))) void panicmon_runtime_request_stop(panicmon_runtime *runtime);
__attribute__((visibility("default"))) panicmon_err panicmon_runtime_join(panicmon_runtime *runtime, int64_t timeout_ms);
__attribute__((visibility("default"))) panicmon_err panicmon_runtime_wait_idle(panicmon_runtime *runtime, int64_t timeout_ms);
__attribute__((visibility("default"))) void panicmon_runtime_free(panicmon_runtime *runtime);
__attribute__((visibility("default"))) int panicmon_runtime_event_fd(const panicmon_runtime *runtime);
__attribute__((visibility("default"))) panicmon_err panicmon_runtime_next(panicmon_runtime *runtime, panicmon_message **out);
__attribute__((visibility("default"))) const char *panicmon_message_exchange(const panicmon_message *message);
__attribute__((visibility("default"))) const char *panicmon_message_routing_key(const panicmon_message *message);
__attribute__((visibility("default"))) const char *panicmon_message_body(const panicmon_message *message, size_t *len);
__attribute__((visibility("default"))) void panicmon_message_free(panicmon_message *message);
__attribute__((visibility("default"))) panicmon_err panicmon_runtime_stats(const panicmon_runtime *runtime,
                                                 panicmon_stats **out);
__attribute__((visibility("default"))) panicmon_err panicmon_stats_get(const panicmon_stats *stats, const char *name,
                                             int64_t *out);
__attribute__((visibility("default"))) panicmon_err panicmon_stats_at(const panicmon_stats *stats, size_t i,
                                            const char **name, int64_t *out);
__attribute__((visibility("default"))) panicmon_err panicmon_stats_step(const panicmon_stats *stats, const char *name,
                                              size_t i, int64_t *bound, int64_t *count);
__attribute__((visibility("default"))) void panicmon_stats_free(panicmon_stats *stats);
typedef struct panicmon_manager panicmon_manager;
__attribute__((visibility("default"))) panicmon_err panicmon_manager_new(panicmon_manager **out, panicmon_runtime *runtime,
                                               panicmon_error **err);
__attribute__((visibility("default"))) void panicmon_manager_free(panicmon_manager *manager);
__attribute__((visibility("default"))) panicmon_err panicmon_manager_apply(panicmon_manager *manager, const char *routing_key,
                                                 const char *json, size_t len,
                                                 panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_manager_apply_all(panicmon_manager *manager, const char *json,
                                                     size_t len, panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_manager_ping(panicmon_manager *manager);
__attribute__((visibility("default"))) size_t panicmon_manager_count(const panicmon_manager *manager);
typedef struct panicmon_starter panicmon_starter;
__attribute__((visibility("default"))) panicmon_err panicmon_starter_new(panicmon_starter **out,
                                               const panicmon_strategy_ops *ops, void *user);
__attribute__((visibility("default"))) void panicmon_starter_free(panicmon_starter *starter);
__attribute__((visibility("default"))) panicmon_err panicmon_starter_set_runtime(panicmon_starter *starter,
                                                       panicmon_runtime *runtime);
__attribute__((visibility("default"))) panicmon_err panicmon_starter_set_strategy(panicmon_starter *starter,
                                                        const panicmon_strategy_ops *ops,
                                                        void *user);
__attribute__((visibility("default"))) const char *panicmon_starter_strategy(const panicmon_starter *starter);
__attribute__((visibility("default"))) panicmon_err panicmon_starter_parse_and_start(panicmon_starter *starter,
                                                           const char *routing_key,
                                                           const char *json, size_t len,
                                                           panicmon_monitor **out,
                                                           panicmon_error **err);
typedef struct panicmon_substrate panicmon_substrate;
__attribute__((visibility("default"))) panicmon_err panicmon_substrate_new(panicmon_substrate **out);
__attribute__((visibility("default"))) panicmon_substrate *panicmon_substrate_ref(panicmon_substrate *shared);
__attribute__((visibility("default"))) void panicmon_substrate_free(panicmon_substrate *shared);
__attribute__((visibility("default"))) const panicmon_strategy_ops *panicmon_substrate_node_strategy(void);
__attribute__((visibility("default"))) const panicmon_strategy_ops *panicmon_substrate_network_strategy(void);
typedef struct panicmon_metadata panicmon_metadata;
__attribute__((visibility("default"))) panicmon_err panicmon_metadata_new(panicmon_metadata **out, const void *data,
                                                size_t len, panicmon_error **err);
__attribute__((visibility("default"))) void panicmon_metadata_free(panicmon_metadata *metadata);
__attribute__((visibility("default"))) uint32_t panicmon_metadata_version(const panicmon_metadata *metadata);
__attribute__((visibility("default"))) size_t panicmon_metadata_size(const panicmon_metadata *metadata);
typedef enum panicmon_list_format {
    PANICMON_LIST_JSON = 0,
    PANICMON_LIST_TEXT = 1
} panicmon_list_format;
__attribute__((visibility("default"))) panicmon_err panicmon_metadata_list(const panicmon_metadata *metadata, uint32_t format,
                                                 char **text, size_t *len, panicmon_error **err);
typedef enum panicmon_value_flags {
    PANICMON_VALUE_CANON = 0,
    PANICMON_VALUE_POLKADOT_JS = 1,
    PANICMON_VALUE_BIG_DECIMAL = 2,
    PANICMON_VALUE_TOP_HEX = 4
} panicmon_value_flags;
__attribute__((visibility("default"))) panicmon_err panicmon_metadata_decode_storage(const panicmon_metadata *metadata,
                                                           const char *pallet, const char *item,
                                                           const void *bytes, size_t bytes_len,
                                                           uint32_t flags, char **json, size_t *len,
                                                           panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_metadata_decode_constant(const panicmon_metadata *metadata,
                                                            const char *pallet, const char *name,
                                                            uint32_t flags, char **json,
                                                            size_t *len, panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_metadata_decode_type(const panicmon_metadata *metadata,
                                                        uint32_t type, const void *bytes,
                                                        size_t bytes_len, uint32_t flags,
                                                        char **json, size_t *len,
                                                        panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_metadata_decode_result(const panicmon_metadata *metadata,
                                                          const char *api, const char *method,
                                                          const void *bytes, size_t bytes_len,
                                                          uint32_t flags, char **json, size_t *len,
                                                          panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_metadata_encode_type(const panicmon_metadata *metadata,
                                                        uint32_t type, const char *json,
                                                        size_t json_len, char **hex, size_t *len,
                                                        panicmon_error **err);
__attribute__((visibility("default"))) panicmon_err panicmon_metadata_storage_key(const panicmon_metadata *metadata,
                                                        const char *pallet, const char *item,
                                                        const char *const *args, size_t arg_count,
                                                        char **hex, size_t *len,
                                                        panicmon_error **err);
__attribute__((visibility("default"))) void panicmon_text_free(char *text);
__attribute__((visibility("default"))) panicmon_err panicmon_ss58_decode(const char *address, size_t len, uint8_t account[32],
                                               uint16_t *prefix);
__attribute__((visibility("default"))) panicmon_err panicmon_ss58_encode(const uint8_t account[32], uint16_t prefix,
                                               char *address, size_t size);
__attribute__((visibility("default"))) const char *panicmon_version(void);
__attribute__((visibility("default"))) uint32_t panicmon_version_hex(void);
