/* See sandbox.h. */
#define _POSIX_C_SOURCE 200809L

#include "sandbox.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static char base_url[256];
static unsigned port;
static char current_key[64];

void sandbox_open(const char *url) {
    CHECK(url != NULL && strlen(url) < sizeof base_url);
    strcpy(base_url, url);
    CHECK(sscanf(url, "http://127.0.0.1:%u/", &port) == 1);
}

const char *sandbox_url(void) {
    return base_url;
}

const char *sandbox_key(void) {
    return current_key;
}

/* Reads until the end of a connection. */
static char *read_all(int fd) {
    size_t length = 0, room = 65536;
    char *text = malloc(room);
    CHECK(text != NULL);
    for (;;) {
        ssize_t got = read(fd, text + length, room - length - 1);
        CHECK(got >= 0);
        if (got == 0) break;
        length += (size_t)got;
        if (room - length < 2) {
            room *= 2;
            char *more = realloc(text, room);
            CHECK(more != NULL);
            text = more;
        }
    }
    text[length] = '\0';
    return text;
}

char *sandbox_call(const char *call, const char *body) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    char request[2048];
    int length = snprintf(request, sizeof request,
                          "%s /_sandbox/%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-API-Key: %s\r\n"
                          "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          body ? "POST" : "GET", call, port, current_key, body ? strlen(body) : 0,
                          body ? body : "");
    CHECK(length > 0 && (size_t)length < sizeof request);
    CHECK(send(fd, request, (size_t)length, MSG_NOSIGNAL) == length);
    char *reply = read_all(fd);
    close(fd);
    char *content = strstr(reply, "\r\n\r\n");
    if (strncmp(reply, "HTTP/1.1 200 ", 13) != 0 || content == NULL) {
        fprintf(stderr, "%s %s: %s\n", call, body ? body : "", reply);
        CHECK(!"the control call succeeds");
        return NULL;
    }
    memmove(reply, content + 4, strlen(content + 4) + 1);
    return reply;
}

void sandbox_do(const char *call, const char *body) {
    free(sandbox_call(call, body));
}

void sandbox_begin(const char *key) {
    CHECK(strlen(key) < sizeof current_key);
    strcpy(current_key, key);
    sandbox_do("reset", "");
}

size_t sandbox_requests(const char *action) {
    char part[64], *log = sandbox_call("log", NULL);
    snprintf(part, sizeof part, action ? "\"action\":\"%s\"" : "\"action\":", action);
    size_t count = 0;
    for (const char *at = strstr(log, part); at != NULL; at = strstr(at + 1, part)) count++;
    free(log);
    return count;
}

sastaotp_config sandbox_config(void) {
    sastaotp_config config = SASTAOTP_CONFIG_INIT;
    config.api_key = current_key;
    config.base_url = base_url;
    return config;
}

sastaotp_client *sandbox_client(void) {
    sastaotp_error *error = NULL;
    sastaotp_config config = sandbox_config();
    sastaotp_client *client = NULL;
    WORKS(sastaotp_client_new(&config, &client, &error));
    return client;
}

sastaotp_number_request sandbox_request(const char *service) {
    sastaotp_number_request request = SASTAOTP_NUMBER_REQUEST_INIT;
    request.service = service;
    request.country = "22";
    request.max_price_micros = 100 * SASTAOTP_RUPEE;
    return request;
}

sastaotp_activation *sandbox_buy(const sastaotp_client *client, const char *service) {
    sastaotp_error *error = NULL;
    sastaotp_number_request request = sandbox_request(service);
    sastaotp_activation *number = NULL;
    WORKS(sastaotp_client_get_number(client, &request, &number, &error));
    return number;
}
