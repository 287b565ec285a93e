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
    assert_eq!(me.plain(&query), "SERVICE_UNAVAILABLE", "still pending");
    me.set(&id, "6");
    let again = me.json(&query);
    assert_eq!(
        (&again["status"], &again["price"], &again["currency"]),
        (&json!("OK"), &json!(10.0), &json!("INR"))
    );
    let new = again["new_activation_id"].as_str().unwrap();
    assert!(new != id && me.status(new).starts_with("STATUS_OK:"));
    assert_eq!(me.plain(&format!("action=regetNumber&id={new}")), "SERVICE_UNAVAILABLE");
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
fn history_has_every_shape() {
    let (_server, me) = start("k");
    let done = me.buy("xk");
    me.set(&done, "6");
    let open = me.json("action=getNumber&service=zz_never&country=22");
    let id = |order: &Value| order["order_id"].clone();
    let ids = |page: &Value| -> Vec<Value> {
        page["orders"].as_array().expect("a list").iter().map(id).collect()
    };
    let orders = |shape: &str, query: &str| {
        me.control_ok("history", &json!({"shape": shape}).to_string());
        me.json(&format!("action=getOrders{query}"))
    };
    let usual = orders("usual", "");
    let first = usual["orders"][0].clone();
    assert_eq!((ids(&usual), &usual["total"]), (vec![json!(1002), json!(1001)], &json!(2)));
    let known = me.control_ok("history", "")["known"].clone();
    for shape in known.as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
        let page = orders(shape, "");
        let row = &page["orders"][0];
        let number = open["number"].as_str().unwrap();
        let is_right = match shape {
            "usual" => page == usual,
            "reordered" | "oldest_first" => ids(&page) == [1001, 1002],
            "bare" => {
                *row == json!({"activation_id": open["activation_id"],
                "service_code": "zz_never", "status": "pending"})
            }
            "list" => page == usual["orders"],
            "map" => page["data"]["orders"]["1002"] == first,
            "null" => row.is_null() && page.get("total").is_none(),
            "grouped_by_state" => page["orders"]["pending"] == json!([first]),
            "grouped_by_day" => page["orders"]["2023-11-14"] == usual["orders"],
            "rows_as_arrays" => row[1] == open["activation_id"] && row[6] == "pending",
            "unknown_names" => row["ref"] == open["activation_id"] && row["phase"] == "pending",
            "empty_with_total" => page["orders"] == json!([]) && page["total"] == 2,
            "other_ids" => row["order_id"] == 5_001_002 && row["activation_id"] == "5001002",
            "other_countries" => row["country_code"] == "91",
            "without_prefix" => number == format!("91{}", row["number"].as_str().unwrap()),
            "other_time_zone" => {
                (&first["created_at"], &row["created_at"])
                    == (&json!("2023-11-14 22:13:20"), &json!("2023-11-15 03:43:20"))
            }
            "without_total" => page["orders"] == usual["orders"] && page.get("total").is_none(),
            _ => panic!("{shape} has no row here"),
        };
        assert!(is_right, "{shape}: {page}");
    }
    assert_eq!(ids(&orders("oldest_first", "&limit=1")), [1001]);
    assert_eq!(ids(&orders("reordered", "&limit=1")), [1002]);
    me.control_ok("history", r#"{"shape":"usual"}"#);
    me.control_ok("faults", r#"{"fault":"history_lags","variant":"null"}"#);
    assert!(me.json("action=getOrders")["orders"].is_null(), "a rule shapes one reply");
    assert_eq!(me.json("action=getOrders"), usual);
}

#[test]
fn orders_of_other_programs_show_at_once() {
    let (_server, me) = start("k");
    me.control_ok("history", r#"{"lag_ms":8000}"#);
    let mine = me.buy("zz_never");
    let made = me.control_ok("orders", r#"{"service":"zz_never","count":2}"#);
    let old = json!({
        "service": "zz_ok", "country": "0", "state": "completed", "price": "18.50",
        "code": "4821", "age_ms": 3_600_000,
    });
    me.control_ok("orders", &old.to_string());
    me.control_ok("orders", r#"{"service":"zz_ok","state":"cancelled"}"#);
    assert_eq!(made["orders"].as_array().unwrap().len(), 2);
    let page = me.json("action=getOrders");
    let states: Vec<_> =
        page["orders"].as_array().unwrap().iter().map(|order| order["status"].clone()).collect();
    assert_eq!(states, ["cancelled", "completed", "pending", "pending"]);
    let order = &page["orders"][1];
    assert_eq!(
        (&order["otp"], &order["created_at"], &order["country_code"]),
        (&json!("4821"), &json!("2023-11-14 21:13:20"), &json!("0"))
    );
    me.control_ok("clock", r#"{"advance_ms":8000}"#);
    assert_eq!(me.json("action=getOrders")["total"], 5);
    let all = me.control_ok("orders", "")["orders"].clone();
    let foreign = all.as_array().unwrap().iter().filter(|order| order["foreign"] == true).count();
    assert_eq!((foreign, &all[4]["activation_id"]), (4, &json!(mine)));
    // The wallet pays for all of them; the client spent 10.00.
    me.control_ok("assert", r#"{"spent":"10.00","charged":"58.50","balance":"951.50"}"#);
}

#[test]
fn ledger_sums_open_and_completed_orders() {
    let (_server, me) = start("k");
    let ids: Vec<String> = (0..4).map(|_| me.buy("zz_never")).collect();
    me.control_ok("assert", r#"{"spent":"40.00","spent_open":"40.00","in_flight_peak":1}"#);
    me.set(&ids[0], "8");
    me.control_ok("expire", &json!({"id": ids[1]}).to_string());
    me.set(&ids[2], "6");
    me.control_ok("assert", r#"{"spent":"20.00","spent_open":"10.00","spent_completed":"10.00"}"#);
    me.control_ok("assert", r#"{"refunded":"20.00","in_flight":0}"#);
}

#[test]
fn early_cancel_period_is_a_setting() {
    let (_server, me) = start("k");
    me.control_ok("seed", r#"{"early_cancel_ms":180000}"#);
    let id = me.buy("zz_never");
    let denied = me.json(&format!("action=setStatus&id={id}&status=8"));
    assert_eq!(denied["info"], json!({"minActivationTime": 180}));
    me.control_ok("clock", r#"{"advance_ms":179999}"#);
    assert_eq!(me.set(&id, "8"), "EARLY_CANCEL_DENIED");
    me.control_ok("clock", r#"{"advance_ms":1}"#);
    assert_eq!(me.set(&id, "8"), "ACCESS_CANCEL");
}

#[test]
fn an_id_can_be_sold_twice() {
    let (_server, me) = start("k");
    let id = me.buy("zz_ok");
    me.status(&id);
    assert!(me.status(&id).starts_with("STATUS_OK:"));
    me.set(&id, "6");
    me.control_ok("faults", r#"{"fault":"id_repeated","variant":"resold"}"#);
    let again = me.json("action=getNumber&service=zz_ok&country=22");
    assert_eq!((&again["activation_id"], &again["order_id"]), (&json!(id), &json!(1002)));
    assert_eq!(me.status(&id), "STATUS_WAIT_CODE");
    me.control_ok("assert", r#"{"charges":2,"spent":"20.00"}"#);
}

#[test]
fn existing_rules_cause_the_odd_replies() {
    let (_server, me) = start("k");
    let id = me.buy("zz_ok");
    let poll = |rule: &str| {
        me.control_ok("faults", rule);
        [me.status(&id), me.status(&id)]
    };
    let waiting = "STATUS_WAIT_CODE";
    me.control_ok("seed", r#"{"delivery":"manual"}"#);
    for (fault, variant, body) in [
        ("key_revoked", "bad", "BAD_KEY"),
        ("activation_not_visible_yet", "", "NO_ACTIVATION"),
        ("status_went_backwards", "cancel", "STATUS_CANCEL"),
    ] {
        let id = me.buy("zz_never");
        let rule = json!({"fault": fault, "variant": variant, "match": {"id": id}, "nth": 2});
        me.control_ok("faults", &rule.to_string());
        assert_eq!([me.status(&id), me.status(&id), me.status(&id)], [waiting, body, waiting]);
    }
    // A text without a code.
    let text = me.buy("zz_never");
    let sms = json!({"id": text, "code": "", "text": "Your code is 123-456"});
    me.control_ok("sms", &sms.to_string());
    assert_eq!(me.status(&text), "STATUS_OK:");
    assert_eq!(
        me.json(&format!("action=getStatusV2&id={text}"))["sms"],
        json!({"code": null, "text": "Your code is 123-456"})
    );
    // A 6 that completes, and says that it cancelled.
    let [_, code] = poll("{\"fault\":\"reply_timeout\",\"variant\":\"late\",\"delay_ms\":0}");
    assert!(code.starts_with("STATUS_OK:"), "{code}");
    let rule = json!({
        "fault": "status_went_backwards", "when": "after_commit", "body": "ACCESS_CANCEL",
        "match": {"action": "setStatus", "status": "6"},
    });
    me.control_ok("faults", &rule.to_string());
    assert_eq!(me.set(&id, "1"), "ACCESS_READY");
    assert_eq!(me.set(&id, "6"), "ACCESS_CANCEL");
    me.control_ok("assert", r#"{"refunds":0,"spent_completed":"10.00"}"#);
    // A price above the maximum, and a plain reply without a price where JSON was requested.
    me.control_ok("faults", r#"{"fault":"price_changed","variant":"charged"}"#);
    let dear = me.json("action=getNumber&service=zz_ok&country=22&maxPrice=10");
    assert_eq!(dear["price"], 20.0);
    me.control_ok("faults", r#"{"fault":"format_mismatch"}"#);
    let plain = me.plain("action=getNumber&service=zz_ok&country=22&format=json");
    assert!(plain.starts_with("ACCESS_NUMBER:"), "{plain}");
}

#[test]
fn delays_follow_the_clock_of_the_key() {
    let (server, me) = start("k");
    let buy = "action=getNumber&service=zz_never&country=22";
    let ledger = || serde_json::from_str::<Value>(&server.control("k", "ledger", "").unwrap());
    let flying = |count: u64| {
        while ledger().unwrap()["in_flight"] != count {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    for (when, charges) in [("before_commit", [0, 1]), ("after_commit", [2, 2])] {
        let rule = json!({"match": {"action": "getNumber"}, "delay_ms": 45_000, "when": when});
        me.control_ok("faults", &rule.to_string());
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| me.plain(buy));
            flying(1);
            // Other requests are answered meanwhile.
            assert!(me.plain("action=getBalance").starts_with("ACCESS_BALANCE:"));
            me.control_ok("clock", r#"{"advance_ms":44999}"#);
            assert_eq!(ledger().unwrap()["charges"], charges[0], "{when}");
            assert!(!slow.is_finished());
            me.control_ok("clock", r#"{"advance_ms":1}"#);
            assert!(slow.join().unwrap().starts_with("ACCESS_NUMBER:"));
        });
        me.control_ok("assert", &json!({"charges": charges[1], "in_flight": 0}).to_string());
    }
    // A delay applies beside a fault that is armed later.
    me.control_ok("faults", r#"{"match":{"action":"getNumber"},"delay_ms":1000,"times":0}"#);
    me.control_ok("faults", r#"{"match":{"action":"getNumber"},"fault":"balance_changed"}"#);
    std::thread::scope(|scope| {
        let refused = scope.spawn(|| me.plain(buy));
        flying(1);
        me.control_ok("clock", r#"{"advance_ms":1000}"#);
        assert_eq!(refused.join().unwrap(), "NO_BALANCE");
    });
    // A namespace that is reset forgets its delayed requests.
    std::thread::scope(|scope| {
        let lost = scope.spawn(|| me.reply(buy).is_none());
        flying(1);
        me.control_ok("reset", "{}");
        assert!(lost.join().unwrap());
    });
}

#[test]
fn a_lost_purchase_can_be_booked_late() {
    let (_server, me) = start("k");
    let rule = json!({
        "match": {"action": "getNumber"}, "fault": "reply_lost", "commit_after_ms": 50_000,
    });
    me.control_ok("faults", &rule.to_string());
    me.control_ok("history", r#"{"lag_ms":5000}"#);
    assert!(me.reply("action=getNumber&service=zz_never&country=22").is_none());
    me.control_ok("clock", r#"{"advance_ms":49999}"#);
    me.control_ok("assert", r#"{"charges":0,"in_flight":0}"#);
    me.control_ok("clock", r#"{"advance_ms":2000}"#);
    me.control_ok("assert", r#"{"charges":1,"spent":"10.00"}"#);
    assert_eq!(me.json("action=getOrders")["total"], 0, "the history lags");
    me.control_ok("clock", r#"{"advance_ms":3001}"#);
    let order = me.json("action=getOrders")["orders"][0].clone();
    assert_eq!(order["created_at"], "2023-11-14 22:14:10", "booked at its time");
    let log = me.control_ok("log", "")["log"].clone();
    let booked = log.as_array().unwrap().iter().find(|line| line["fault"].is_null()).unwrap();
    assert!(booked["reason"].as_str().unwrap().contains("client was gone"), "{log}");
}

#[test]
fn only_get_reaches_the_service() {
    let (_server, me) = start("k");
    let query = "action=getNumber&service=zz_ok&country=22";
    let mut connection = Connection::open(me.port);
    let form = format!("api_key=k&{query}");
    let path = "/stubs/handler_api.php";
    let posts = [
        format!("POST {path}?{query} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k\r\n\r\n"),
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ),
    ];
    for post in posts {
        let refused = connection.ask(&post).unwrap();
        assert!(refused.status == 405 && refused.head.contains("Allow: GET\r\n"));
    }
    let head = format!("HEAD {path}?{query} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k\r\n\r\n");
    let reply = Connection::open(me.port).raw(head.as_bytes(), Duration::from_millis(50));
    assert!(reply.starts_with(b"HTTP/1.1 405 ") && reply.ends_with(b"\r\n\r\n"));
    let log = me.control_ok("log", "")["log"].clone();
    for (line, method) in log.as_array().unwrap().iter().zip(["POST", "POST", "HEAD"]) {
        assert_eq!((&line["status"], &line["action"]), (&json!(405), &json!("getNumber")));
        assert!(line["reason"].as_str().unwrap().contains(method), "{line}");
    }
    assert!(log.as_array().unwrap().len() == 3 && !log.to_string().contains("api_key"));
    me.control_ok("assert", r#"{"charges":0}"#);
}

#[test]
fn unexpected_requests_are_refused() {
    let (_server, me) = start("k");
    let mut connection = Connection::open(me.port);
    for (request, status) in [
        (
            "HEAD /stubs/handler_api.php?action=getBalance&api_key=k HTTP/1.1\r\n\
             Host: localhost\r\n\r\n",
            405,
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
