/* Makes one call with the settings of a case of tests/c/network, which checks the output: `ok` and
 * a value, or the status, the charge, the message and the JSON of the error. The log goes to
 * stderr.
 *
 *     network buy|balance|create NAME=VALUE...
 */
#include "check.h"

enum { MAX_WAIT_MS = 300000 };

static void print_log(void *user, sastaotp_log_level level, const char *message) {
    (void)user;
    fprintf(stderr, "log %d %s\n", (int)level, message);
}

/* Returns the value of an argument if it has this name, otherwise `before`. */
static const char *setting(const char *argument, const char *name, const char *before) {
    size_t size = strlen(name);
    int is_named = strncmp(argument, name, size) == 0 && argument[size] == '=';
    return is_named ? argument + size + 1 : before;
}

static sastaotp_roots roots_of(const char *name) {
    if (strcmp(name, "system") == 0) return SASTAOTP_ROOTS_SYSTEM;
    CHECK_TEXT(name, "both");
    return SASTAOTP_ROOTS_BOTH;
}

/* Buys a number, prints its code, and completes the order. */
static sastaotp_status buy(const sastaotp_client *client, sastaotp_error **error) {
    sastaotp_number_request request = SASTAOTP_NUMBER_REQUEST_INIT;
    sastaotp_activation *number = NULL;
    sastaotp_sms *sms = NULL;
    sastaotp_settlement *settlement = NULL;
    request.service = "zz_ok";
    request.country = "22";
    request.max_price_micros = 100 * SASTAOTP_RUPEE;
    sastaotp_status status = sastaotp_client_get_number(client, &request, &number, error);
    if (!status) status = sastaotp_activation_wait_for_code(number, MAX_WAIT_MS, NULL, &sms, error);
    if (!status) status = sastaotp_activation_complete(number, &settlement, error);
    if (!status) printf("ok %s\n", sastaotp_sms_code(sms));
    sastaotp_settlement_free(settlement);
    sastaotp_sms_free(sms);
    sastaotp_activation_free(number);
    return status;
}

static sastaotp_status run(const char *operation, const sastaotp_config *config,
                           sastaotp_error **error) {
    sastaotp_client *client = NULL;
    int64_t micros = 0;
    char rupees[32];
    sastaotp_status status = sastaotp_client_new(config, &client, error);
    if (status) return status;
    if (strcmp(operation, "buy") == 0) {
        status = buy(client, error);
    } else if (strcmp(operation, "balance") == 0) {
        status = sastaotp_client_get_balance(client, &micros, error);
        if (!status) {
            sastaotp_amount_format(micros, rupees, sizeof rupees);
            printf("ok %s\n", rupees);
        }
    } else {
        CHECK_TEXT(operation, "create");
        printf("ok created\n");
    }
    sastaotp_client_free(client);
    return status;
}

int main(int count, char **arguments) {
    static const char *const charges[] = {"unknown", "not_charged", "charged"};
    sastaotp_config config = SASTAOTP_CONFIG_INIT;
    sastaotp_error *error = NULL, *log_error = NULL;
    CHECK(count > 1);
    for (int at = 2; at < count; at++) {
        config.api_key = setting(arguments[at], "api_key", config.api_key);
        config.base_url = setting(arguments[at], "base_url", config.base_url);
        config.proxy = setting(arguments[at], "proxy", config.proxy);
        config.ca_pem = setting(arguments[at], "ca_pem", config.ca_pem);
        const char *roots = setting(arguments[at], "roots", NULL);
        if (roots) config.roots = roots_of(roots);
    }
    CHECK(sastaotp_log_set(SASTAOTP_LOG_TRACE, print_log, NULL, &log_error) == SASTAOTP_OK);
    sastaotp_status status = run(arguments[1], &config, &error);
    CHECK(sastaotp_log_set(SASTAOTP_LOG_OFF, NULL, NULL, &log_error) == SASTAOTP_OK);
    CHECK_INT(status, sastaotp_error_status(error));
    if (status) {
        printf("%s %s\n%s\n%s\n", sastaotp_status_name(status),
               charges[sastaotp_error_charge(error)], sastaotp_error_message(error),
               sastaotp_error_json(error));
    }
    sastaotp_error_free(error);
    return 0;
}
