/*
 * Prints the price of a service in every country, cheapest first.
 *
 *     SASTAOTP_API_KEY=... prices tg
 *
 * It costs nothing. Set SASTAOTP_BASE_URL to use another server, such as sastaotp-sandbox.
 */
#include <inttypes.h>
#include <sastaotp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row of the table. Its texts belong to the prices and the countries. */
struct row {
    int64_t price;
    const char *country;
    const char *name;
    uint64_t available;
    bool available_known;
};

static int by_price(const void *left, const void *right)
{
    const struct row *a = left;
    const struct row *b = right;
    if (a->price != b->price) return a->price < b->price ? -1 : 1;
    return strcmp(a->country, b->country);
}

static const char *name_of(const sastaotp_countries *countries, const char *code)
{
    if (strcmp(code, "*") == 0 || strcmp(code, "any") == 0) return "no country chosen";
    size_t count = sastaotp_countries_count(countries);
    for (size_t i = 0; i < count; i++) {
        const sastaotp_country *country = sastaotp_countries_get(countries, i);
        if (strcmp(sastaotp_country_code(country), code) == 0)
            return sastaotp_country_name(country);
    }
    return "";
}

/* Fills `rows`, which has room for all entries, with the entries that have a price. Returns the
 * number of entries. */
static size_t collect(const sastaotp_prices *prices, const sastaotp_countries *countries,
                      struct row *rows)
{
    size_t count = sastaotp_prices_count(prices);
    size_t filled = 0;
    for (size_t i = 0; i < count; i++) {
        struct row *row = &rows[filled];
        if (!sastaotp_prices_price_micros(prices, i, &row->price)) continue;
        row->country = sastaotp_prices_country(prices, i);
        row->name = name_of(countries, row->country);
        row->available_known = sastaotp_prices_available(prices, i, &row->available);
        filled++;
    }
    return filled;
}

static void print_row(const struct row *row)
{
    char rupees[32];
    sastaotp_amount_format(row->price, rupees, sizeof rupees);
    printf("%-8s %10s  ", row->country, rupees);
    if (row->available_known) {
        printf("%9" PRIu64, row->available);
    } else {
        printf("%9s", "?");
    }
    printf("  %s\n", row->name);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s SERVICE, such as tg\n", argv[0]);
        return 2;
    }
    sastaotp_client *client = NULL;
    sastaotp_countries *countries = NULL;
    sastaotp_prices *prices = NULL;
    sastaotp_error *error = NULL;
    struct row *rows = NULL;
    int exit_code = 1;

    if (sastaotp_client_from_env(&client, &error) != SASTAOTP_OK) goto end;
    if (sastaotp_client_get_countries(client, NULL, &countries, &error) != SASTAOTP_OK) goto end;
    if (sastaotp_client_get_prices(client, argv[1], NULL, &prices, &error) != SASTAOTP_OK) goto end;

    size_t room = sastaotp_prices_count(prices);
    if (room == 0) {
        fprintf(stderr, "%s is not sold in any country\n", argv[1]);
        goto end;
    }
    rows = calloc(room, sizeof *rows);
    if (rows == NULL) {
        fprintf(stderr, "out of memory\n");
        goto end;
    }
    size_t count = collect(prices, countries, rows);
    qsort(rows, count, sizeof *rows, by_price);

    printf("%-8s %10s  %9s  %s\n", "country", "rupees", "available", "name");
    for (size_t i = 0; i < count; i++) print_row(&rows[i]);
    exit_code = 0;

end:
    if (error != NULL) fprintf(stderr, "%s\n", sastaotp_error_message(error));
    free(rows);
    sastaotp_error_free(error);
    sastaotp_prices_free(prices);
    sastaotp_countries_free(countries);
    sastaotp_client_free(client);
    return exit_code;
}
