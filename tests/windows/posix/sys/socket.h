/* The sockets of POSIX on Windows: here they are not file descriptors. */
#include "../poll.h"

#include <io.h>
#include <unistd.h>

#define read(socket, to, size) recv(socket, to, (int)(size), 0)
#define write(socket, from, size) send(socket, from, (int)(size), 0)
#define close closesocket
#define setsockopt(socket, level, name, value, size) \
    setsockopt(socket, level, name, (const char *)(value), (int)(size))
