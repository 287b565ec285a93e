/* The sockets of POSIX on Windows. */
#include "../poll.h"
