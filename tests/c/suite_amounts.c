/* Amounts as text: buffers of any size, and the ends of the range. */
#include "check.h"
#include "suite.h"

void amounts_fit_their_buffer(void) {
    static const struct {
        int64_t micros;
        const char *text;
    } amounts[] = {{18500000, "18.50"},
                   {0, "0.00"},
                   {1, "0.000001"},
                   {-18500000, "-18.50"},
                   {INT64_MAX, "9223372036854.775807"},
                   {INT64_MIN, "-9223372036854.775808"}};
    static const char *const invalid[] = {"",          "x",   "1.2.3",
                                          "0.0000001", "1,5", "9223372036854.775808"};
    sastaotp_error *error = NULL;
    for (size_t row = 0; row < sizeof amounts / sizeof *amounts; row++) {
        char text[32], short_text[4] = "???";
        int64_t micros = 7;
        size_t length = sastaotp_amount_format(amounts[row].micros, text, sizeof text);
        CHECK_TEXT(text, amounts[row].text);
        CHECK_INT(length, strlen(text));
        CHECK_INT(sastaotp_amount_format(amounts[row].micros, NULL, 0), length);
        CHECK_INT(sastaotp_amount_format(amounts[row].micros, short_text, 3), length);
        CHECK(strlen(short_text) == 2 && strncmp(short_text, text, 2) == 0);
        CHECK(short_text[3] == '\0');
        WORKS(sastaotp_amount_parse(text, &micros, &error));
        CHECK_INT(micros, amounts[row].micros);
    }
    for (size_t row = 0; row < sizeof invalid / sizeof *invalid; row++) {
        int64_t micros = 7;
        FAILS(sastaotp_amount_parse(invalid[row], &micros, &error), SASTAOTP_ERROR_CONFIG);
        sastaotp_error_free(error);
        CHECK_INT(micros, 7);
    }
}
