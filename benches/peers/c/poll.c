// libcurl that does the same work: `poll URL COUNT`, with one handle that keeps its connection.

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static char body[256];
static size_t length;

static size_t take(char *data, size_t size, size_t count, void *context) {
    (void)context;
    if (size * count > sizeof body - length) return 0;
    memcpy(body + length, data, size * count);
    length += size * count;
    return size * count;
}

static void call(CURL *curl) {
    length = 0;
    if (curl_easy_perform(curl) != CURLE_OK || length != 16 ||
        memcmp(body, "STATUS_WAIT_CODE", 16) != 0) {
        fputs("unexpected reply\n", stderr);
        exit(1);
    }
}

static double cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
    return seconds * 1e6 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static double wall(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    char url[512];
    snprintf(url, sizeof url, "%s?action=getStatus&id=1000001", argv[1]);
    int count = atoi(argv[2]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *curl = curl_easy_init();
    const char *key = "X-API-Key: 0123456789abcdef0123456789abcdef";
    struct curl_slist *headers = curl_slist_append(NULL, key);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 90000L);
    int warm = count / 10 < 1 ? 1 : count / 10 > 500 ? 500 : count / 10;
    for (int i = 0; i < warm; i++) call(curl);
    double cpu_before = cpu(), wall_before = wall();
    for (int i = 0; i < count; i++) call(curl);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"cpu_us\":%f,\"wall_us\":%f,\"rss_kb\":%ld}\n", (cpu() - cpu_before) / count,
           (wall() - wall_before) / count, usage.ru_maxrss);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
}
