/* A server that closes connections, while SIGPIPE would end the process. */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "atomic_counter.h"
#include "misuse.h"
#include "sandbox.h"

/* How the server closes a connection. */
enum { FIN, RST, READ_THEN_RST, WAYS };

/* How many connections the server closed; the way of closing rotates. */
static counter hung_up = COUNTER;

static void *hang_up(void *argument) {
    const int *listener = argument;
    for (;;) {
        int fd = accept(*listener, NULL, NULL), how = (int)(counter_add(&hung_up, 0) % WAYS);
        if (fd < 0) return NULL;
        struct linger at_once = {1, 0};
        char bytes[16];
        if (how == READ_THEN_RST && read(fd, bytes, sizeof bytes) < 0) how = RST;
        if (how != FIN) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(fd);
        counter_add(&hung_up, 1);
    }
}

void no_sigpipe_when_a_server_hangs_up(void) {
    enum { ROUNDS = 60 };
    sastaotp_error *error = NULL;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listener, 16) == 0 &&
          getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, hang_up, &listener), 0);

    /* The default of a program that does not handle SIGPIPE: the signal ends the process. */
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/stubs/handler_api.php", ntohs(address.sin_port));
    sastaotp_config config = sandbox_config();
    sastaotp_client *client = NULL;
    config.base_url = url;
    WORKS(sastaotp_client_new(&config, &client, &error));
    sastaotp_number_request request = sandbox_request("zz_never");
    for (int round = 0; round < ROUNDS; round++) {
        sastaotp_activation *number = NULL;
        FAILS(sastaotp_client_get_number(client, &request, &number, &error),
              SASTAOTP_ERROR_CONNECTION);
        sastaotp_error_free(error);
    }
    int64_t balance = 7;
    FAILS(sastaotp_client_get_balance(client, &balance, &error), SASTAOTP_ERROR_CONNECTION);
    sastaotp_error_free(error);
    CHECK(counter_add(&hung_up, 0) >= ROUNDS);
    shutdown(listener, SHUT_RDWR);
    close(listener);
    pthread_join(thread, NULL);
    sastaotp_client_free(client);
}
