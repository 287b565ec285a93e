/*
 * Uses a message that was freed, to see the sanitizer report it: tests/c/run builds this as it builds the others.
 *
 * use_after_free URL text   this program reads the text that it was lent
 * use_after_free URL object the library is asked about the message, and reads it
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
    const char *text = sastaotp_sms_text(sms);
    CHECK(text != NULL);
    sastaotp_sms_free(sms);
    if (strcmp(arguments[2], "object") == 0) {
        printf("asked after it was freed: %d\n", sastaotp_sms_is_repeat(sms));
    } else {
        printf("read after it was freed: %c\n", text[0]);
    }
    sastaotp_activation_free(number);
    sastaotp_client_free(client);
    return 0;
}
