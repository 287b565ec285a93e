/* Runs the shared cases of tests/cases through the queue. The arguments are the URL of a sandbox
 * and the files; tests/cases/main.rs describes their format. Each row runs in its own process, all
 * at the same time, because they spend most of it between two polls. */
#define _POSIX_C_SOURCE 200809L

#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "json.h"
#include "sandbox.h"

enum { MAX_CASES = 200, MAX_KEPT = 16, MAX_LENGTH = 64 * 1024, LATE_MS = 90000 };

/* The values that earlier steps kept, by name. */
static struct {
    char name[32];
    char *json;
} kept[MAX_KEPT];
static size_t kept_count;

static char *copy(const char *text, size_t size) {
    char *made = malloc(size + 1);
    CHECK(made != NULL);
    memcpy(made, text, size);
    made[size] = '\0';
    return made;
}

/* Copies the content of a JSON string without escapes. */
static void unquote(const char *text, char *to, size_t room) {
    size_t size = json_size(text);
    CHECK(size >= 2 && *text == '"' && size - 2 < room && memchr(text, '\\', size) == NULL);
    memcpy(to, text + 1, size - 2);
    to[size - 2] = '\0';
}

static const char *kept_as(const char *reference) {
    char name[32];
    unquote(reference, name, sizeof name);
    for (size_t at = 0; at < kept_count; at++) {
        if (strcmp(kept[at].name, name + 1) == 0) return kept[at].json;
    }
    fprintf(stderr, "no step kept %s: ", name);
    CHECK(!"an earlier step kept it");
    return NULL;
}

static int is_reference(const char *value) {
    return strncmp(value, "\"$", 2) == 0;
}

/* Returns a value with its references replaced by kept values. The caller frees it. */
static char *resolve(const char *value) {
    char *text = malloc(MAX_LENGTH);
    CHECK(text != NULL);
    size_t size = 0;
    for (const char *at = value, *end = value + json_size(value); at < end;) {
        const char *from = is_reference(at) ? kept_as(at) : at;
        size_t more = is_reference(at) ? strlen(from) : 1;
        CHECK(size + more < MAX_LENGTH);
        memcpy(text + size, from, more);
        size += more;
        at += is_reference(at) ? json_size(at) : 1;
    }
    text[size] = '\0';
    return text;
}

static int matches(const char *expected, const char *actual) {
    if (actual == NULL) return 0;
    if (is_reference(expected)) expected = kept_as(expected);
    if (json_is(expected, "\"*\"")) return !json_is(actual, "null");
    const char *one = NULL, *other = NULL, *name = NULL, *other_name = NULL;
    if (*expected == '{') {
        while ((one = json_step(expected, one, &name)) != NULL) {
            char member[64];
            unquote(name, member, sizeof member);
            if (!matches(one, json_member(actual, member))) return 0;
        }
        return *actual == '{';
    }
    if (*expected == '[' && *actual == '[') {
        do {
            one = json_step(expected, one, &name);
            other = json_step(actual, other, &other_name);
            if (one != NULL && !matches(one, other)) return 0;
        } while (one != NULL && other != NULL);
        return one == other;
    }
    return json_size(expected) == json_size(actual) &&
           memcmp(expected, actual, json_size(expected)) == 0;
}

static void keep(const char *names, const char *result) {
    const char *name = NULL;
    for (const char *member = json_step(names, NULL, &name); member != NULL;
         member = json_step(names, member, &name)) {
        char of[64];
        unquote(member, of, sizeof of);
        const char *value = strcmp(of, "*") == 0 ? result : json_member(result, of);
        CHECK(value != NULL && kept_count < MAX_KEPT);
        unquote(name, kept[kept_count].name, sizeof kept->name);
        kept[kept_count++].json = copy(value, json_size(value));
    }
}

static void control(const char *call, const char *body) {
    char name[32], *text = resolve(body);
    unquote(call, name, sizeof name);
    sandbox_do(name, text);
    free(text);
}

static void operate(const sastaotp_queue *queue, const char *step) {
    sastaotp_error *error = NULL;
    sastaotp_completion *completion = NULL;
    uint64_t ticket = 0;
    const char *gives = json_member(step, "gives"), *fails = json_member(step, "fails");
    char *operation = resolve(json_member(step, "op"));
    WORKS(sastaotp_queue_submit(queue, operation, NULL, &ticket, &error));
    WORKS(sastaotp_queue_join(queue, ticket, LATE_MS, &completion, &error));
    CHECK(completion != NULL);
    const sastaotp_error *failure = sastaotp_completion_error(completion);
    const char *actual =
        failure ? sastaotp_error_json(failure) : sastaotp_completion_json(completion);
    if ((failure != NULL) != (fails != NULL) || !matches(fails ? fails : gives, actual)) {
        fprintf(stderr, "%s returned %s: ", operation, actual);
        CHECK(!"the result equals the row");
    }
    keep(json_member(step, "keep"), actual);
    sastaotp_completion_free(completion);
    free(operation);
}

/* Reads a number of the row's client settings; returns 0 if the row does not set it. */
static int setting(const char *row, const char *name, int64_t *number) {
    const char *value = json_member(json_member(row, "client"), name);
    if (value != NULL) *number = strtoll(value, NULL, 10);
    return value != NULL;
}

static void run(const char *row, size_t number) {
    char key[64];
    sastaotp_error *error = NULL;
    sastaotp_client *client = NULL;
    sastaotp_queue *queue = NULL;
    int64_t value;
    snprintf(key, sizeof key, "stp_canary_case_c_%zu", number);
    if (json_member(row, "key")) unquote(json_member(row, "key"), key, sizeof key);
    sandbox_begin(key);
    sastaotp_config config = sandbox_config();
    if (setting(row, "timeout_ms", &value)) config.timeout_ms = (uint32_t)value;
    if (setting(row, "budget_micros", &value)) config.budget_micros = value;
    WORKS(sastaotp_client_new(&config, &client, &error));
    WORKS(sastaotp_queue_new(client, 0, &queue, &error));
    const char *steps = json_member(row, "steps"), *name = NULL;
    for (const char *step = json_step(steps, NULL, &name); step != NULL;
         step = json_step(steps, step, &name)) {
        const char *call = json_member(step, "control");
        if (call) control(call, json_member(step, "body"));
        else operate(queue, step);
    }
    while (kept_count > 0) free(kept[--kept_count].json);
    sastaotp_queue_free(queue);
    sastaotp_client_free(client);
}

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    CHECK(size > 0 && fseek(file, 0, SEEK_SET) == 0);
    char *text = malloc((size_t)size + 1);
    CHECK(text != NULL && fread(text, 1, (size_t)size, file) == (size_t)size);
    text[size] = '\0';
    fclose(file);
    CHECK(json_is_valid(text));
    return text;
}

int main(int count, char **arguments) {
    pid_t running[MAX_CASES];
    size_t cases = 0, failed = 0;
    CHECK(count > 2);
    sandbox_open(arguments[1]);
    for (int file = 2; file < count; file++) {
        char *text = read_file(arguments[file]);
        const char *name = NULL;
        for (const char *row = json_step(text, NULL, &name); row != NULL;
             row = json_step(text, row, &name)) {
            CHECK(cases < MAX_CASES);
            pid_t child = fork();
            CHECK(child >= 0);
            if (child == 0) {
                char title[256];
                unquote(json_member(row, "name"), title, sizeof title);
                check_context = title;
                run(row, cases);
                free(text);
                return 0;
            }
            running[cases++] = child;
        }
        free(text);
    }
    for (size_t at = 0; at < cases; at++) {
        int status = 0;
        CHECK(waitpid(running[at], &status, 0) == running[at]);
        if (status != 0) fprintf(stderr, "row %zu of the files fails\n", at + 1);
        failed += status != 0;
    }
    if (failed > 0) fprintf(stderr, "%zu of %zu cases fail\n", failed, cases);
    else printf("cases: %zu pass\n", cases);
    return failed > 0;
}
