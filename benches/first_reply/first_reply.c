/* Reads the balance once and exits, to measure the time from a program's start to its first reply.
 *
 * WITH_CURL builds the same program on libcurl. `benches/run first_reply` runs both. The URL is in
 * SASTAOTP_BASE_URL, and CA_FILE may name a file of certificates to trust. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef WITH_CURL

#include <curl/curl.h>

static size_t keep(char *bytes, size_t size, size_t count, void *reply) {
    char *text = reply;
    size_t length = strlen(text), more = size * count;
    if (length + more >= 256) return 0;
    memcpy(text + length, bytes, more);
    text[length + more] = 0;
    return more;
}

int main(void) {
    const char *base = getenv("SASTAOTP_BASE_URL"), *ca = getenv("CA_FILE");
    char url[512], reply[256] = "";
    long status = 0;
    if (base == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return 1;
    snprintf(url, sizeof url, "%s?action=getBalance&format=json", base);
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "X-API-Key: first-reply");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply);
    if (ca != NULL) curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    int failed = curl_easy_perform(curl) != CURLE_OK;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    failed = failed || status != 200 || strstr(reply, "\"balance\"") == NULL;
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    return failed;
}

#else

#include <sastaotp.h>

int main(void) {
    const char *base = getenv("SASTAOTP_BASE_URL"), *ca = getenv("CA_FILE");
    static char pem[65536];
    sastaotp_config config = SASTAOTP_CONFIG_INIT;
    sastaotp_client *client = NULL;
    int64_t micros = 0;
    config.base_url = base;
    config.api_key = "first-reply";
    if (ca != NULL) {
        FILE *file = fopen(ca, "rb");
        if (file == NULL) return 1;
        config.ca_pem = pem;
        config.ca_pem_length = fread(pem, 1, sizeof pem, file);
        fclose(file);
    }
    int failed = sastaotp_client_new(&config, &client, NULL) != SASTAOTP_OK;
    failed = failed || sastaotp_client_get_balance(client, &micros, NULL) != SASTAOTP_OK;
    failed = failed || micros <= 0;
    sastaotp_client_free(client);
    return failed;
}

#endif
