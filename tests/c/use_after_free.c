/*
 * Uses a freed message. tests/c/run checks that the sanitizer reports it.
 *
 *     use_after_free URL text      the program reads a text of the message
 *     use_after_free URL object    the library reads the message
 */
#include "check.h"
#include "sandbox.h"

int main(int count, char **arguments) {
    CHECK(count == 3);
    sastaotp_error *error = NULL;
    sandbox_open(arguments[1]);
    sandbox_begin("use_after_free");
    sastaotp_client *client = sandbox_client();
    sastaotp_activation *number = sandbox_buy(client, "zz_multi");
    sastaotp_sms *sms = NULL;
    WORKS(sastaotp_activation_wait_for_code(number, 1000, NULL, &sms, &error));
    const char *text = sastaotp_sms_text(sms, NULL);
    CHECK(text != NULL);
    sastaotp_sms_free(sms);
    if (strcmp(arguments[2], "object") == 0) {
        printf("called after the free: %d\n", sastaotp_sms_is_repeat(sms));
    } else {
        printf("read after the free: %c\n", text[0]);
    }
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
    return 0;
}
