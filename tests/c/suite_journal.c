/* Tests of the journal: a program is killed, and the next one has its purchases. */
#define _XOPEN_SOURCE 700

#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "json.h"
#include "sandbox.h"
#include "suite.h"

enum { MAX_INTENT = 1024 };

/* Creates an empty folder and writes its path. */
static void folder_new(char path[64]) {
    strcpy(path, "/tmp/sastaotp-journal-XXXXXX");
    CHECK(mkdtemp(path) != NULL);
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *at) {
    (void)about, (void)kind, (void)at;
    return remove(path);
}

static void folder_remove(const char *path) {
    CHECK_INT(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The settings of a client of the sandbox's account with a journal. */
static sastaotp_config config_with_journal(const char *folder) {
    sastaotp_config config = sandbox_config();
    config.journal = folder;
    config.durability = SASTAOTP_DURABILITY_PROCESS;
    config.journal_on_network = true;
    return config;
}

static sastaotp_client *client_with_journal(const char *folder) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = NULL;
    sastaotp_config config = config_with_journal(folder);
    WORKS(sastaotp_client_new(&config, &client, &error));
    return client;
}

void invalid_journals_are_rejected(void) {
    sastaotp_error *error = NULL;
    sastaotp_client *client = NULL;
    char folder[64], below[128];
    folder_new(folder);
    sastaotp_config config = config_with_journal(folder);
    config.durability = (sastaotp_durability)77;
    FAILS(sastaotp_client_new(&config, &client, &error), SASTAOTP_ERROR_CONFIG);
    CHECK_CONTAINS(sastaotp_error_message(error), "durability");
    sastaotp_error_free(error);
    config = config_with_journal("\xff");
    FAILS(sastaotp_client_new(&config, &client, &error), SASTAOTP_ERROR_CONFIG);
    CHECK_CONTAINS(sastaotp_error_message(error), "journal");
    sastaotp_error_free(error);
    config = config_with_journal("");
    FAILS(sastaotp_client_new(&config, &client, &error), SASTAOTP_ERROR_CONFIG);
    sastaotp_error_free(error);
    error = NULL;
    /* The path is a file. */
    snprintf(below, sizeof below, "%s/file", folder);
    FILE *file = fopen(below, "w");
    CHECK(file != NULL && fclose(file) == 0);
    config = config_with_journal(below);
    FAILS(sastaotp_client_new(&config, &client, &error), SASTAOTP_ERROR_JOURNAL);
    CHECK(client == NULL);
    CHECK_TEXT(sastaotp_status_name(sastaotp_error_status(error)), "SASTAOTP_ERROR_JOURNAL");
    CHECK_CONTAINS(sastaotp_error_message(error), below);
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_NONE);
    CHECK_INT(sastaotp_error_retry(error, NULL), SASTAOTP_RETRY_NEVER);
    sastaotp_error_free(error);
    folder_remove(folder);
}

/* A program that saves an intent, buys with it, receives a code, buys two leases, and is killed. */
static void buy_and_die(const char *folder, int saved) {
    sastaotp_error *error = NULL;
    sastaotp_intent *intent = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_lease *lease = NULL;
    sastaotp_sms *sms = NULL;
    char json[MAX_INTENT] = "";
    sastaotp_client *client = client_with_journal(folder);
    sastaotp_number_request request = sandbox_request("zz_ok");
    WORKS(sastaotp_client_intend(client, &request, &intent, &error));
    CHECK(strlen(sastaotp_intent_json(intent)) < sizeof json);
    strcpy(json, sastaotp_intent_json(intent));
    CHECK(write(saved, json, sizeof json) == sizeof json);
    WORKS(sastaotp_client_buy(client, intent, &number, &error));
    WORKS(sastaotp_activation_wait_for_code(number, 60000, NULL, &sms, &error));
    request = sandbox_request("zz_never");
    WORKS(sastaotp_client_lease(client, &request, &lease, &error));
    request = sandbox_request("zz_early_cancel");
    WORKS(sastaotp_client_lease(client, &request, &lease, &error));
    raise(SIGKILL);
}

/* Settles the leases, of which the service lets one be cancelled. */
static void settle_leases(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_settled_leases *leases = NULL;
    FAILS(sastaotp_client_settle_leftover_leases(client, (sastaotp_on_too_early)77, &leases,
                                                 &error),
          SASTAOTP_ERROR_CONFIG);
    sastaotp_error_free(error);
    error = NULL;
    WORKS(sastaotp_client_settle_leftover_leases(client, SASTAOTP_ON_TOO_EARLY_FAIL, &leases,
                                                 &error));
    CHECK_INT(sastaotp_settled_leases_count(leases), 2);
    const char *json = sastaotp_settled_leases_json(leases);
    CHECK(json_is_valid(json) && json_member(json, "leases") != NULL);
    size_t cancelled = 0;
    for (size_t at = 0; at < 2; at++) {
        const sastaotp_unclaimed *listed = sastaotp_settled_leases_unclaimed(leases, at);
        const sastaotp_settlement *settlement = sastaotp_settled_leases_settlement(leases, at);
        const sastaotp_error *failure = sastaotp_settled_leases_error(leases, at);
        CHECK_INT(sastaotp_unclaimed_outcome(listed), SASTAOTP_OUTCOME_BOUGHT);
        CHECK((settlement == NULL) == (failure != NULL));
        if (settlement) {
            CHECK_INT(sastaotp_settlement_state(settlement), SASTAOTP_SETTLED_CANCELLED);
            cancelled++;
        } else {
            CHECK_INT(sastaotp_error_status(failure), SASTAOTP_ERROR_TOO_EARLY);
        }
    }
    CHECK_INT(cancelled, 1);
    CHECK(sastaotp_settled_leases_unclaimed(leases, 2) == NULL);
    CHECK(sastaotp_settled_leases_settlement(leases, SIZE_MAX) == NULL);
    CHECK(sastaotp_settled_leases_error(leases, SIZE_MAX) == NULL);
    sastaotp_settled_leases_free(leases);
}

void next_program_has_purchases_of_killed_one(void) {
    sastaotp_error *error = NULL;
    sastaotp_unclaimed_list *list = NULL;
    sastaotp_intent *intent = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_settlement *settlement = NULL;
    sastaotp_sms *sms = NULL;
    char folder[64], saved[MAX_INTENT];
    int ends[2], status = 0;
    folder_new(folder);
    CHECK(pipe(ends) == 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        buy_and_die(folder, ends[1]);
        exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(read(ends[0], saved, sizeof saved) == sizeof saved);
    close(ends[0]);
    close(ends[1]);

    sastaotp_client *client = client_with_journal(folder);
    WORKS(sastaotp_client_unclaimed(client, &list, &error));
    CHECK_INT(sastaotp_unclaimed_list_count(list), 3);
    sastaotp_unclaimed_list_free(list);
    settle_leases(client);

    /* The saved intent was bought by the other process. */
    WORKS(sastaotp_intent_from_json(saved, &intent, &error));
    FAILS(sastaotp_client_buy(client, intent, &number, &error), SASTAOTP_ERROR_ALREADY_SENT);
    CHECK_INT(sastaotp_error_charge(error), SASTAOTP_CHARGE_NONE);
    sastaotp_error_free(error);
    error = NULL;
    sastaotp_intent_free(intent);

    /* The journal has its code: no request is needed. */
    WORKS(sastaotp_client_unclaimed(client, &list, &error));
    CHECK_INT(sastaotp_unclaimed_list_count(list), 2);
    for (size_t at = 0; at < 2; at++) {
        const sastaotp_purchase *purchase =
            sastaotp_unclaimed_purchase(sastaotp_unclaimed_list_get(list, at));
        if (strcmp(sastaotp_purchase_service(purchase), "zz_ok") != 0) continue;
        CHECK(sastaotp_purchase_phone_number(purchase) != NULL);
        WORKS(sastaotp_client_activation(client, sastaotp_purchase_activation_id(purchase), &number,
                                         &error));
    }
    sastaotp_unclaimed_list_free(list);
    CHECK(number != NULL);
    size_t before = sandbox_requests(NULL);
    WORKS(sastaotp_activation_wait_for_code(number, 0, NULL, &sms, &error));
    CHECK(strlen(sastaotp_sms_code(sms)) > 0);
    CHECK_INT(sandbox_requests(NULL), before);
    WORKS(sastaotp_activation_complete(number, &settlement, &error));
    CHECK_INT(sastaotp_settlement_state(settlement), SASTAOTP_SETTLED_COMPLETED);
    sastaotp_sms_free(sms);
    sastaotp_settlement_free(settlement);
    sastaotp_activation_free(number);

    /* All clients of the account use one journal. */
    sastaotp_config config = sandbox_config();
    sastaotp_client *other = NULL;
    config.journal = "/tmp/another-folder";
    FAILS(sastaotp_client_new(&config, &other, &error), SASTAOTP_ERROR_JOURNAL);
    CHECK_CONTAINS(sastaotp_error_message(error), folder);
    sastaotp_error_free(error);
    sastaotp_client_free(client);
    folder_remove(folder);
    sandbox_do("assert", "{\"charges\":3,\"refunds\":1}");
}
