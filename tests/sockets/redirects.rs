//! A service that moved: the error of each action names the target, and never its query.

use serde_json::json;

use crate::adapter::{Charge, Client, Error, OrderQuery, SetStatus};
use crate::server::{Sandbox, request};

#[test]
fn f06_a_redirect_names_its_target_without_the_query() {
    let sandbox = Sandbox::start("moved");
    let client = sandbox.client();
    let calls: [fn(&Client) -> Option<Error>; 8] = [
        |client| client.get_balance().err(),
        |client| client.get_services(None).err(),
        |client| client.get_prices(None, None).err(),
        |client| client.find_country("India").err(),
        |client| client.get_orders(&OrderQuery::default()).err(),
        |client| client.get_status("7").err(),
        |client| client.set_status("7", SetStatus::SmsSent).err(),
        |client| client.set_status("7", SetStatus::Cancel).err(),
    ];
    for status in [301, 302, 303, 307, 308] {
        sandbox.control("faults", r#"{"clear":true}"#);
        let rule = json!({
            "match": {}, "fault": "redirected", "status": status, "times": 0,
            "location": "https://user:word@moved.example/new/api.php?api_key=secret#part",
        });
        sandbox.control("faults", &rule.to_string());
        let buy = client.get_number(request("tg")).unwrap_err();
        let is_refused = [301, 307, 308].contains(&status);
        let charge = if is_refused { Charge::NotCharged } else { Charge::Unknown };
        assert_eq!(buy.charge(), charge, "{buy}");
        for error in calls.iter().filter_map(|call| call(&client)).chain([buy]) {
            let text = error.to_string();
            assert!(text.contains("redirect to https://moved.example/new/api.php, "), "{text}");
            assert!(text.contains("(base_url)"), "{text}");
            let secrets = ["secret", "api_key", "word@", "part"];
            assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
        }
    }
}
