/* See queue_calls.h. */
#define _POSIX_C_SOURCE 200809L

#include "queue_calls.h"

#include <dirent.h>

#include "check.h"
#include "json.h"

sastaotp_queue *queue_of(const sastaotp_client *client) {
    sastaotp_error *error = NULL;
    sastaotp_queue *queue = NULL;
    WORKS(sastaotp_queue_new(client, 0, &queue, &error));
    CHECK(queue != NULL && sastaotp_queue_fd(queue) >= 0);
    CHECK_INT(sastaotp_queue_open_count(queue), 0);
    return queue;
}

uint64_t submit(const sastaotp_queue *queue, const char *operation) {
    sastaotp_error *error = NULL;
    uint64_t ticket = 0;
    WORKS(sastaotp_queue_submit(queue, operation, NULL, &ticket, &error));
    return ticket;
}

sastaotp_completion *join(const sastaotp_queue *queue, uint64_t ticket) {
    sastaotp_error *error = NULL;
    sastaotp_completion *completion = NULL;
    WORKS(sastaotp_queue_join(queue, ticket, SOON_MS, &completion, &error));
    CHECK(completion != NULL);
    CHECK_INT(sastaotp_completion_ticket(completion), ticket);
    return completion;
}

char *result_of(const sastaotp_queue *queue, const char *operation) {
    sastaotp_completion *completion = join(queue, submit(queue, operation));
    const sastaotp_error *failure = sastaotp_completion_error(completion);
    const char *context = check_context;
    check_context = failure ? sastaotp_error_message(failure) : operation;
    CHECK_INT(sastaotp_completion_status(completion), SASTAOTP_OK);
    CHECK(failure == NULL && json_is_valid(sastaotp_completion_json(completion)));
    check_context = context;
    char *json = malloc(strlen(sastaotp_completion_json(completion)) + 1);
    CHECK(json != NULL);
    strcpy(json, sastaotp_completion_json(completion));
    sastaotp_completion_free(completion);
    return json;
}

const char *operation_on(const char *op, const char *id, const char *more) {
    static char text[256];
    snprintf(text, sizeof text, "{\"op\":\"%s\",\"id\":\"%s\"%s}", op, id, more);
    return text;
}

const char *purchase_of(const char *service) {
    static char text[256];
    snprintf(text, sizeof text,
             "{\"op\":\"get_number\",\"service\":\"%s\",\"country\":\"22\",\"max_price\":\"100\"}",
             service);
    return text;
}

void buy(const sastaotp_queue *queue, const char *service, char id[65]) {
    char *json = result_of(queue, purchase_of(service));
    const char *value = json_member(json, "id");
    CHECK(value != NULL && sscanf(value, "\"%64[^\"]\"", id) == 1);
    free(json);
}

void queue_end(sastaotp_queue *queue) {
    sastaotp_error *error = NULL;
    sastaotp_unclaimed_list *list = NULL;
    WORKS(sastaotp_queue_close(queue, SOON_MS, &list, &error));
    CHECK_TEXT(sastaotp_unclaimed_message(sastaotp_unclaimed_list_get(list, 0)), NULL);
    sastaotp_unclaimed_list_free(list);
    sastaotp_queue_free(queue);
}

int threads(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    CHECK(directory != NULL);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}
