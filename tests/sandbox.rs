//! The sandbox over real sockets: every action, scenario, control call and fault, as a client sees
//! them.

#[path = "sandbox/http.rs"]
mod http;

use std::time::Duration;

use http::{Account, Connection, get};
use sastaotp::sandbox::Server;
use serde_json::{Value, json};

/// Starts a server and an account whose clock stands still.
fn start(key: &str) -> (Server, Account) {
    let server = Server::start(0).unwrap();
    let account = Account::new(server.port(), key);
    account.control_ok("clock", r#"{"mode":"manual","now_ms":1700000000000}"#);
    (server, account)
}

#[test]
fn a_number_is_bought_waited_for_and_completed() {
    let (_server, me) = start("k");
    let bought = me.json("action=getNumberV2&service=tg&country=22&maxPrice=76.94");
    let expected = json!({
        "status": "OK", "order_id": 1001, "service": "Telegram", "service_code": "tg",
        "country": "India", "country_code": "22", "price": 76.94, "multi_sms": false,
        "can_get_another_sms": false, "expires_in": 1200, "note": null,
        "activation_id": bought["activation_id"], "number": bought["number"],
        "phone_number": bought["number"],
    });
    assert_eq!(bought, expected);
    let id = bought["activation_id"].as_str().unwrap();
    assert_eq!(me.status(id), "STATUS_WAIT_CODE");
    assert_eq!(
        me.json(&format!("action=getStatusV2&id={id}")),
        json!({"verificationType": 2, "sms": null})
    );
    assert_eq!(me.set(id, "1"), "ACCESS_READY");
    me.control_ok("clock", r#"{"advance_ms":8000}"#);
    let code = me.status(id).strip_prefix("STATUS_OK:").expect("a code").to_string();
    assert_eq!(me.json(&format!("action=getStatusV2&id={id}"))["sms"]["code"], code.as_str());
    assert_eq!(me.json(&format!("action=getStatus&id={id}"))["sms"]["code"], code.as_str());
    assert_eq!(me.set(id, "8"), "CANCEL_FAILED");
    assert_eq!(me.set(id, "6"), "ACCESS_ACTIVATION");
    assert_eq!(me.set(id, "6"), "ALREADY_FINISHED");
    assert_eq!(me.plain("action=getBalance"), "ACCESS_BALANCE:923.06");
    assert_eq!(
        me.json("action=getBalance"),
        json!({"status": "OK", "balance": 923.06, "currency": "INR"})
    );
}

#[test]
fn a_plain_purchase_has_id_and_phone() {
    let (_server, me) = start("k");
    let bought = me.plain("action=getNumber&service=zz_never");
    let parts: Vec<&str> = bought.split(':').collect();
    assert_eq!((parts[0], parts.len()), ("ACCESS_NUMBER", 3));
    assert!(parts[2].starts_with("91"), "the cheapest country, listed first, is India: {bought}");
    assert_eq!(me.set(parts[1], "-1"), "ACCESS_CANCEL");
    assert_eq!(me.status(parts[1]), "STATUS_CANCEL");
    me.control_ok("assert", r#"{"charges":1,"refunds":1,"balance":"1000.00"}"#);
}

#[test]
fn every_documented_refusal_can_be_caused() {
    let (_server, me) = start("k");
    let id = me.buy("zz_never");
    let fb = me.buy("fb");
    let poor = Account::new(me.port, "sandbox_poor");
    for (answer, code) in [
        (poor.plain("action=getNumber&service=tg"), "NO_BALANCE"),
        (me.plain("action=getNumber&service=zz_nonumbers"), "NO_NUMBERS"),
        (me.plain("action=getNumber&service=wa&country=91"), "NO_NUMBERS"),
        (me.plain("action=getNumber&service=tg&country=22&maxPrice=76.93"), "MAX_PRICE_EXCEEDED"),
        (me.plain("action=getNumber&service=tg&country=22&maxPrice=x"), "MAX_PRICE_EXCEEDED"),
        (me.plain("action=getNumber&service=zz_price_up&maxPrice=10"), "MAX_PRICE_EXCEEDED"),
        (me.plain("action=getNumber&service=nothing"), "SERVICE_UNAVAILABLE"),
        (me.plain("action=getNumber&service=tg&country=9999"), "SERVICE_UNAVAILABLE"),
        (me.plain("action=getNumber"), "MISSING_PARAMS"),
        (me.plain("action=getStatus"), "MISSING_PARAMS"),
        (me.plain(&format!("action=setStatus&id={id}")), "MISSING_PARAMS"),
        (me.plain("action=getNumbers"), "BAD_ACTION"),
        (me.status("1"), "NO_ACTIVATION"),
        (me.set("1", "8"), "NO_ACTIVATION"),
        (me.set(&id, "2"), "BAD_STATUS"),
        (me.set(&id, "3"), "RETRY_FAILED"),
        (me.set(&fb, "3"), "RETRY_FAILED"),
        (me.set(&me.buy("zz_early_cancel"), "8"), "EARLY_CANCEL_DENIED"),
        (me.plain("action=getNumber&service=zz_sql"), "ERROR_SQL"),
        (me.plain("action=getNumber&service=zz_provider_error"), "PROVIDER_ERROR"),
        (me.plain("action=getNumber&service=zz_server_error"), "SERVER_ERROR"),
        (Account::new(me.port, "sandbox_bad").plain("action=getBalance"), "BAD_KEY"),
        (Account::new(me.port, "sandbox_inactive").plain("action=getBalance"), "KEY_INACTIVE"),
        (Account::new(me.port, "sandbox_banned").plain("action=getBalance"), "ACCOUNT_BANNED"),
    ] {
        assert_eq!(answer, code);
    }
    assert_eq!(
        me.json("action=getStatus&id=1"),
        json!({"status": "ERROR", "error": "NO_ACTIVATION"})
    );
    // Three of the refusals hide a purchase.
    me.control_ok("assert", r#"{"charges":6,"refunds":0}"#);
    let log = me.control_ok("log", "");
    let reasons =
        log["log"].as_array().unwrap().iter().filter(|line| line["reason"].is_string()).count();
    assert!(reasons >= 18, "each refusal has its reason: {log}");
    assert!(!log.to_string().contains("api_key"));
}

#[test]
fn scenarios_run_without_control_calls() {
    let (_server, me) = start("k");
    let polls = |service: &str| {
        let id = me.buy(service);
        [me.status(&id), me.status(&id)].map(|status| status.split_at(9).0.to_string())
    };
    assert_eq!(polls("zz_ok"), ["STATUS_WA", "STATUS_OK"]);
    assert_eq!(polls("zz_never"), ["STATUS_WA", "STATUS_WA"]);
    assert_eq!(polls("zz_provider_cancel"), ["STATUS_WA", "STATUS_CA"]);
    let colon = me.buy("zz_colon");
    me.status(&colon);
    assert_eq!(me.status(&colon), "STATUS_OK:12:34");

    for (service, then) in [
        ("zz_multi", ["STATUS_WAIT_RETRY", "STATUS_OK"]),
        ("zz_stale", ["STATUS_OK", "STATUS_WAIT_RETRY"]),
    ] {
        let id = me.buy(service);
        let old = me.status(&id).split_off("STATUS_OK:".len());
        assert_eq!(me.set(&id, "3"), "ACCESS_RETRY_GET");
        let shown = [me.status(&id), me.status(&id), me.status(&id)];
        assert_eq!(shown[0], format!("{}:{old}", then[0]), "{service}");
        assert!(shown[1].starts_with(then[1]), "{service}");
        assert!(shown[2].starts_with("STATUS_OK:") && !shown[2].ends_with(&old), "{service}");
    }

    let race = me.buy("zz_cancel_race");
    let refused = me.reply(&format!("action=setStatus&id={race}&status=8")).unwrap();
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains(r#""title":"OTP_RECEIVED""#), "{}", refused.body);
    assert!(me.status(&race).starts_with("STATUS_OK:"));

    let lag = me.buy("zz_lag");
    assert_eq!(me.status(&lag), "NO_ACTIVATION");
    let (early, expire) = (me.buy("zz_early_cancel"), me.buy("zz_expire"));
    me.control_ok("clock", r#"{"advance_ms":6000}"#);
    assert_eq!(me.status(&lag), "STATUS_WAIT_CODE");
    me.control_ok("clock", r#"{"advance_ms":24000}"#);
    assert_eq!(me.status(&expire), "STATUS_CANCEL");
    me.control_ok("clock", r#"{"advance_ms":90000}"#);
    assert_eq!(me.set(&early, "8"), "ACCESS_CANCEL");
}

#[test]
fn only_the_lost_reply_bought_a_number() {
    let (_server, me) = start("k");
    assert!(me.reply("action=getNumber&service=zz_lost_reply").is_none());
    me.control_ok("assert", r#"{"charges":1,"charged":"10.00"}"#);
    let orders = me.json("action=getOrders");
    assert_eq!(
        (&orders["total"], &orders["orders"][0]["service_code"]),
        (&json!(1), &json!("zz_lost_reply"))
    );
    let page = me.reply("action=getNumber&service=zz_html&format=json").unwrap();
    assert!(page.status == 200 && page.body.starts_with("<html>"));
    let up = me.json("action=getNumber&service=zz_price_up");
    assert_eq!(up["price"], 20.0);
    me.control_ok("assert", r#"{"charges":2,"balance":970}"#);
}

#[test]
fn orders_are_paged_newest_first() {
    let (_server, me) = start("k");
    for _ in 0..5 {
        me.buy("zz_never");
    }
    let id = me.buy("xk");
    me.set(&id, "6");
    let ids = |query: &str| -> Vec<u64> {
        let orders = me.json(&format!("action=getOrders&{query}"));
        orders["orders"]
            .as_array()
            .unwrap()
            .iter()
            .map(|order| order["order_id"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(ids(""), [1006, 1005, 1004, 1003, 1002, 1001]);
    assert_eq!(ids("limit=2&page=2"), [1004, 1003]);
    assert_eq!(ids("limit=4&page=9"), [0_u64; 0]);
    assert_eq!(ids("status=completed"), [1006]);
    assert_eq!(me.json("action=getOrders&limit=1")["total"], 6);
    assert_eq!(me.json("action=getOrders&limit=1000")["limit"], 100);
    me.control_ok("seed", r#"{"orders_lag_ms":5000}"#);
    assert_eq!(ids(""), [0_u64; 0]);
    me.control_ok("clock", r#"{"advance_ms":5000}"#);
    assert_eq!(ids("status=pending").len(), 5);
}

#[test]
fn the_catalogue_has_the_live_formats() {
    let (_server, me) = start("k");
    let prices = me.json("action=getPrices&service=tg&country=22");
    assert_eq!(
        prices,
        json!({"status": "OK", "data": {"22": {"tg": {"cost": 76.94, "count": 999}}}})
    );
    assert_eq!(
        prices.to_string(),
        me.plain("action=getPrices&service=tg&country=22"),
        "there is no plain format"
    );
    let all = me.json("action=getPrices");
    assert!(
        all["data"]["*"]["tg"]["cost"].is_number() && all["data"].as_object().unwrap().len() > 30
    );
    let countries = me.json("action=getCountries");
    assert_eq!(
        (&countries["countries"]["22"]["name"], &countries["countries"]["91"]["name"]),
        (&json!("India"), &json!("Timor-Leste"))
    );
    let services = me.json("action=getServices");
    assert_eq!(services["services"]["wa"]["countries"], json!([]));
    assert_eq!(services["total"], services["services"].as_object().unwrap().len());
    let telegram = me.json("action=getServicesList&service=tg");
    assert_eq!(telegram["total"], 1);
    let countries = telegram["services"]["tg"]["countries"].as_array().unwrap();
    let india = countries.iter().find(|country| country["country_code"] == "22").unwrap();
    assert_eq!((&india["price"], &india["qty"]), (&json!(76.94), &json!(999)));
    // Without a country, the cheapest is taken; `operator` pins one.
    let cheapest =
        countries.iter().map(|country| country["price"].as_f64().unwrap()).fold(f64::MAX, f64::min);
    assert_eq!(me.json("action=getNumber&service=tg")["price"], cheapest);
    assert_eq!(me.json("action=getNumber&service=tg&country=0&operator=22")["country_code"], "22");
}

#[test]
fn reget_needs_multi_sms_and_a_code() {
    let (_server, me) = start("k");
    let id = me.buy("zz_multi");
    let query = format!("action=regetNumber&id={id}");
    assert_eq!(me.plain(&query), "SERVICE_UNAVAILABLE", "no SMS yet");
    me.status(&id);
    me.set(&id, "6");
    let again = me.json(&query);
    assert_eq!(
        (&again["status"], &again["price"], &again["currency"]),
        (&json!("OK"), &json!(10.0), &json!("INR"))
    );
    let new = again["new_activation_id"].as_str().unwrap();
    assert!(new != id && me.status(new).starts_with("STATUS_OK:"));
    assert!(me.plain(&query).starts_with("REGET_NUMBER_OK:"));
    let single = me.buy("zz_ok");
    assert_eq!(me.plain(&format!("action=regetNumber&id={single}")), "SERVICE_UNAVAILABLE");
    assert_eq!(me.plain("action=regetNumber&id=1"), "NO_ACTIVATION");
    me.control_ok("assert", r#"{"charges":4}"#);
}

#[test]
fn keys_do_not_see_each_other() {
    let (_server, me) = start("a");
    let other = Account::new(me.port, "b");
    let id = me.buy("zz_never");
    me.control_ok("faults", r#"{"fault":"server_error","times":0}"#);
    assert_eq!(other.status(&id), "NO_ACTIVATION");
    assert_eq!(other.plain("action=getBalance"), "ACCESS_BALANCE:1000.00");
    other.control_ok("assert", r#"{"charges":0}"#);
    assert_eq!(other.control_ok("clock", "")["mode"], "real");
    assert_eq!(other.control_ok("faults", "")["faults"], json!([]));
    let by_query = format!(
        "GET /stubs/handler_api.php?action=getBalance&api_key=b HTTP/1.1\r\nHost: [::1]:{}\r\n\r\n",
        me.port
    );
    assert_eq!(Connection::open(me.port).ask(&by_query).unwrap().body, "ACCESS_BALANCE:1000.00");
}

#[test]
fn control_calls_change_and_read_the_namespace() {
    let (server, me) = start("k");
    assert_eq!(me.control_ok("health", "")["ok"], true);
    me.control_ok("seed", r#"{"wallet":"50.00","rng":7,"delivery":"manual"}"#);
    let (tg, never, held) = (me.buy("xk"), me.buy("zz_never"), me.buy("mm"));
    me.control_ok("clock", r#"{"advance_ms":60000}"#);
    assert_eq!(me.status(&tg), "STATUS_WAIT_CODE", "manual delivery");
    me.control_ok("sms", &json!({"id": tg, "text": "Your code is 4821"}).to_string());
    assert_eq!(me.status(&tg), "STATUS_OK:4821");
    me.control_ok("expire", &json!({"id": never}).to_string());
    me.control_ok("provider_cancel", &json!({"id": held}).to_string());
    assert_eq!([me.status(&never), me.status(&held)], ["STATUS_CANCEL", "STATUS_CANCEL"]);
    let states = me.json("action=getOrders")["orders"].clone();
    assert_eq!([&states[1]["status"], &states[0]["status"]], ["expired", "cancelled"]);
    let (code, differences) = me.control("assert", r#"{"charges":3,"refunds":1}"#);
    assert_eq!(code, 409);
    assert_eq!(differences["differences"], json!({"refunds": {"expected": 1, "actual": 2}}));
    let ledger = me.control_ok("ledger", "");
    assert_eq!(
        (ledger["entries"].as_array().unwrap().len(), &ledger["opening"]),
        (5, &json!("50.00"))
    );
    assert_eq!(me.control("sms", &json!({"id": never, "code": "1"}).to_string()).0, 409);
    assert_eq!(me.control("nothing", "{}").0, 404);
    assert_eq!(me.control("seed", "{").0, 400);
    me.control_ok("reset", "{}");
    me.control_ok("assert", r#"{"charges":0,"balance":"1000.00"}"#);
    assert!(server.control("k", "ledger", "").unwrap().contains(r#""charges":0"#));
    assert!(server.control("k", "assert", r#"{"charges":1}"#).is_err());
    me.control_ok("clock", r#"{"mode":"real"}"#);
    let fast = me.control_ok("clock", r#"{"speed":1000}"#)["now_ms"].as_u64().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(me.control_ok("clock", "")["now_ms"].as_u64().unwrap() >= fast + 20_000);
}

#[test]
fn faults_hit_only_matching_requests() {
    let (_server, me) = start("k");
    me.control_ok(
        "faults",
        r#"{"match":{"action":"getNumber","service":"zz_ok"},"nth":2,"fault":"reply_lost"}"#,
    );
    me.buy("zz_ok");
    assert!(me.reply("action=getNumber&service=zz_ok").is_none());
    me.buy("zz_ok");
    me.control_ok("assert", r#"{"charges":3}"#);
    me.control_ok(
        "faults",
        r#"{"match":{"action":"getNumber"},"when":"before_commit","fault":"N06","variant":"rst"}"#,
    );
    assert!(me.reply("action=getNumber&service=zz_ok").is_none());
    me.control_ok("faults", r#"{"match":{"action":"getNumber"},"fault":"duplicate_request"}"#);
    me.buy("zz_ok");
    me.control_ok("assert", r#"{"charges":5}"#);
    me.control_ok("faults", r#"{"fault":"too_many_requests","retry_after":"7"}"#);
    let limited = me.reply("action=getBalance").unwrap();
    assert!(
        limited.status == 429 && limited.head.contains("Retry-After: 7\r\n"),
        "{}",
        limited.head
    );
    me.control_ok(
        "faults",
        r#"{"fault":"server_error","status":504,"body":"{\"message\":\"slow\"}"}"#,
    );
    let slow = me.reply("action=getBalance").unwrap();
    assert_eq!((slow.status, slow.body.as_str()), (504, r#"{"message":"slow"}"#));
    me.control_ok(
        "faults",
        r#"{"fault":"redirected","status":307,"location":"http://127.0.0.1:1/"}"#,
    );
    assert!(me.reply("action=getBalance").unwrap().head.contains("Location: http://127.0.0.1:1/"));
    me.control_ok("faults", r#"{"fault":"server_error","times":0}"#);
    me.control_ok("faults", r#"{"clear":true}"#);
    assert_eq!(me.reply("action=getBalance").unwrap().status, 200);
    let (status, refused) = me.control("faults", r#"{"fault":"connect_refused"}"#);
    assert!(status == 400 && refused["error"].as_str().unwrap().contains("in-memory"));
}

#[test]
fn faults_are_named_by_name_or_id() {
    let (_server, me) = start("k");
    for fault in ["reply_lost", "N06"] {
        me.control_ok("faults", &json!({"fault": fault}).to_string());
        assert!(me.reply("action=getBalance").is_none(), "{fault}");
    }
    let faults = me.control_ok("faults", "")["faults"].clone();
    for rule in faults.as_array().unwrap() {
        assert_eq!((&rule["fault"], &rule["id"]), (&json!("reply_lost"), &json!("N06")));
    }
    let log = me.control_ok("log", "")["log"].clone();
    assert_eq!(log[0]["fault"], "reply_lost");
}

#[test]
fn every_fault_leaves_the_sandbox_answering() {
    let (_server, me) = start("k");
    let known = me.control_ok("faults", "")["known"].clone();
    me.control_ok("seed", r#"{"wallet":"10000"}"#);
    let mut count = 0;
    for (fault, variants) in known.as_object().unwrap() {
        let mut variants: Vec<Value> = variants.as_array().unwrap().clone();
        if variants.is_empty() {
            variants.push(Value::Null);
        }
        for variant in variants {
            let rule = json!({
                "fault": fault, "variant": variant, "every_ms": 1,
                "match": {"action": "getStatus"},
            });
            if me.control("faults", &rule.to_string()).0 != 200 {
                continue;
            }
            count += 1;
            let id = me.json("action=getNumber&service=zz_ok")["activation_id"]
                .as_str()
                .unwrap()
                .to_string();
            let request = get("k", &format!("action=getStatus&id={id}&format=json"));
            Connection::open(me.port).raw(request.as_bytes(), Duration::from_millis(40));
            assert!(
                me.plain("action=getBalance").starts_with("ACCESS_BALANCE:"),
                "{fault} {variant}"
            );
        }
    }
    assert!(count > 90, "{count}");
    let hits = me.control_ok("faults", "")["faults"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|rule| rule["hits"] == 1)
        .count();
    assert!(hits > 90, "{hits}");
}

#[test]
fn unexpected_requests_are_refused() {
    let (_server, me) = start("k");
    let mut connection = Connection::open(me.port);
    for (request, status) in [
        (
            "HEAD /stubs/handler_api.php?action=getBalance&api_key=k HTTP/1.1\r\n\
             Host: localhost\r\n\r\n",
            200,
        ),
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (
            "POST /stubs/handler_api.php HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: 3\r\n\r\nabc",
            405,
        ),
        ("GET /_sandbox/ledger HTTP/1.1\r\nHost: localhost\r\n\r\n", 401),
        ("GET /_sandbox/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("GET /_sandbox/health HTTP/1.1\r\nHost: example.com\r\n\r\n", 403),
        ("GET /_sandbox/health HTTP/1.1\r\n\r\n", 403),
    ] {
        if request.starts_with("HEAD") {
            // The length describes a body that is not sent.
            let reply =
                Connection::open(me.port).raw(request.as_bytes(), Duration::from_millis(50));
            assert!(reply.ends_with(b"\r\n\r\n"), "no body");
            continue;
        }
        assert_eq!(
            connection.ask(request).expect("the connection is kept").status,
            status,
            "{request}"
        );
    }
}
