/* Maps POSIX sockets to Winsock, for the suites of tests/c. The other headers include this. */
#ifndef POLL_H
#define POLL_H

#include <winsock2.h>
#include <ws2tcpip.h>

#define poll WSAPoll
#undef POLLIN
#define POLLIN POLLRDNORM /* without urgent data, which no queue has */
#define MSG_NOSIGNAL 0
#define SHUT_RDWR SD_BOTH
#define SIGPIPE SIGTERM /* which no system call raises */

/* Before the suite opens its own sockets. */
__attribute__((constructor)) static void start_sockets(void)
{
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
}

#endif
