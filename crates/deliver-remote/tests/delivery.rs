//! Deliveries to servers of the test's own, over loopback.
//!
//! ```text
//! Deliverer (one thread) --smtproutes--> Server: answers by a script, writes down what it hears
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

mod world;

use std::cell::Cell;
use std::rc::Rc;

use contracts::remote_worker::Transaction;
use deliver_remote::delivery::Deliverer;
use deliver_remote::pool::Pool;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use world::{Home, Script, deliver, kind, local, message, names, server, server_at};

const TAKEN: &str = "r\0K127.0.0.1 accepted message.\nRemote host said: 250 ok\n\0";

#[tokio::test]
async fn messages_to_one_place_share_a_connection() {
    local(async {
        let server = server(kind).await;
        let home = Home::new(server.address, &[]);
        let deliverer = home.deliverer();
        for _ in 0..3 {
            assert_eq!(deliver(&deliverer, &["a@dest.test"]).await, TAKEN);
        }
        let heard = server.heard.borrow();
        assert_eq!(heard.len(), 1, "{heard:?}");
        let once =
            ["MAIL FROM:<s@x.test>", "RCPT TO:<a@dest.test>", "DATA", "Subject: x", "", "..dot", "last", "."];
        let want: Vec<&str> = ["EHLO me.test"].into_iter().chain(once).chain(once).chain(once).collect();
        assert_eq!(heard[0], want);
    })
    .await;
}

#[tokio::test]
async fn several_recipients_are_one_transaction_with_a_result_each() {
    local(async {
        let server = server(|number, line| match line {
            "RCPT TO:<bad@dest.test>" => Some("550 no".into()),
            "RCPT TO:<busy@dest.test>" => Some("450 later".into()),
            _ => kind(number, line),
        })
        .await;
        let home = Home::new(server.address, &[]);
        let output =
            deliver(&home.deliverer(), &["a@dest.test", "bad@dest.test", "b\n@dest.test", "busy@dest.test"])
                .await;
        assert_eq!(
            output,
            "r\0h127.0.0.1 does not like recipient.\nRemote host said: 550 no\n\0\
             hSorry, the address b\\n@dest.test has a line break or NUL in it. (#5.1.3)\n\0\
             s127.0.0.1 does not like recipient.\nRemote host said: 450 later\n\0\
             K127.0.0.1 accepted message.\nRemote host said: 250 ok\n\0"
        );
        assert!(!server.heard.borrow()[0].iter().any(|line| line.ends_with("RCPT TO:<b")));
    })
    .await;
}

#[tokio::test]
async fn a_kept_connection_that_has_died_is_replaced_and_nobody_notices() {
    for end in ["close at MAIL", "421 at MAIL", "close while idle"] {
        local(async move {
            // The first connection carries one message and then ends in one of three ways.
            let mails = Cell::new(0);
            let server = server(move |number, line| {
                mails.set(mails.get() + usize::from(line.starts_with("MAIL") && number == 0));
                match line {
                    line if line.starts_with("MAIL") && mails.get() == 2 && number == 0 => {
                        (end == "421 at MAIL").then(|| "421 idle too long".into())
                    }
                    _ => kind(number, line),
                }
            })
            .await;
            let home = Home::new(server.address, &[]);
            let deliverer = home.deliverer();
            assert_eq!(deliver(&deliverer, &["a@dest.test"]).await, TAKEN);
            assert_eq!(deliver(&deliverer, &["a@dest.test"]).await, TAKEN, "{end}");
            if end != "close while idle" {
                assert_eq!(server.heard.borrow().len(), 2, "{end}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_address_has_no_more_connections_than_allowed_and_all_messages_arrive() {
    local(async {
        let server = server(kind).await;
        let home = Home::new(server.address, &[("concurrencyremotehost", "2\n")]);
        let deliverer = home.deliverer();
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let deliverer = Rc::clone(&deliverer);
                tokio::task::spawn_local(async move { deliver(&deliverer, &["a@dest.test"]).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), TAKEN);
        }
        assert_eq!((server.most_open.get(), server.heard.borrow().len()), (2, 2));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_never_ends_its_reply_is_given_up() {
    local(async {
        let server = server(|_, _| Some("220-x\r\n".repeat(40_000))).await;
        let home = Home::new(server.address, &[]);
        let output = deliver(&home.deliverer(), &["a@dest.test"]).await;
        assert!(
            output.starts_with("ZConnected to 127.0.0.1 but greeting failed.\nRemote host said: 220-x\n"),
            "{output:.80}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_loss_after_the_final_dot_may_be_a_duplicate_and_is_not_repeated() {
    local(async {
        let server = server(|number, line| if line == "." { None } else { kind(number, line) }).await;
        let home = Home::new(server.address, &[]);
        let output = deliver(&home.deliverer(), &["a@dest.test"]).await;
        assert_eq!(
            output,
            "r\0ZConnected to 127.0.0.1 but connection died. Possible duplicate! (#4.4.2)\n\0"
        );
        assert_eq!(server.heard.borrow().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn ipv6_has_the_same_results() {
    local(async {
        let Ok(probe) = TcpListener::bind("[::1]:0").await else {
            eprintln!("skipped: this host has no IPv6");
            return;
        };
        drop(probe);
        let server = server_at("[::1]:0", Rc::new(kind)).await;
        let home = Home::new(server.address, &[]);
        assert_eq!(
            deliver(&home.deliverer(), &["a@dest.test"]).await,
            "r\0K::1 accepted message.\nRemote host said: 250 ok\n\0"
        );
    })
    .await;
}

#[tokio::test]
async fn a_refused_connection_and_a_missing_control_file_defer() {
    local(async {
        let server = server(kind).await;
        let free = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let home = Home::new(free, &[]);
        let refused = deliver(&home.deliverer(), &["a@dest.test"]).await;
        assert_eq!(refused, "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n\0");
        std::fs::remove_file(home.0.path().join("control/me")).unwrap();
        let unnamed = deliver(&home.deliverer(), &["a@dest.test"]).await;
        assert_eq!(unnamed, "ZUnable to read control files. (#4.3.0)\n\0");
        assert!(server.heard.borrow().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_long_message_arrives_whole() {
    local(async {
        let server = server(kind).await;
        let home = Home::new(server.address, &[]);
        let text: String = (0..60_000).map(|n| format!(".line {n}\n")).collect();
        let transaction =
            Transaction { host: b"d".to_vec(), sender: b"".to_vec(), recipients: vec![b"a@d".to_vec()] };
        let delivered = home.deliverer().deliver(&transaction, message(text.as_bytes())).await;
        assert_eq!(String::from_utf8(delivered.output).unwrap(), TAKEN);
        let heard = server.heard.borrow();
        let body: Vec<&String> = heard[0].iter().filter(|line| line.starts_with("..line")).collect();
        assert_eq!(body.len(), 60_000);
        assert_eq!(body[59_999], "..line 59999");
    })
    .await;
}

#[tokio::test]
async fn a_server_that_refuses_a_long_message_on_the_way_is_believed() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let home = Home::new(listener.local_addr().unwrap(), &[]);
        tokio::task::spawn_local(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (reader, mut writer) = stream.into_split();
            let mut lines = BufReader::new(reader).lines();
            let mut line = String::new();
            loop {
                let answer = format!("{}\r\n", kind(0, &line).unwrap());
                writer.write_all(answer.as_bytes()).await.unwrap();
                if line == "DATA" {
                    // Says so, and reads no further.
                    writer.write_all(b"552 too big\r\n").await.unwrap();
                    writer.shutdown().await.unwrap();
                    return;
                }
                line = lines.next_line().await.unwrap().unwrap();
            }
        });
        let text = "x".repeat(99).as_bytes().to_vec().repeat(200_000);
        let transaction =
            Transaction { host: b"d".to_vec(), sender: b"".to_vec(), recipients: vec![b"a@d".to_vec()] };
        let delivered = home.deliverer().deliver(&transaction, message(&text)).await;
        let output = String::from_utf8(delivered.output).unwrap();
        // The reset may overtake the words; then nobody knows, and it is a deferral.
        assert!(
            output == "r\0D127.0.0.1 failed after I sent the message.\nRemote host said: 552 too big\n\0"
                || output == "r\0ZConnected to 127.0.0.1 but connection died. (#4.4.2)\n\0",
            "{output}"
        );
    })
    .await;
}

#[tokio::test]
async fn the_next_address_gets_the_message_when_the_first_cannot_take_it() {
    for trouble in ["554 at greeting", "close at greeting", "421 at MAIL", "close at DATA", "nobody there"] {
        local(async move {
            // The good server is at 127.0.0.2, the bad one, if any, at the same port of 127.0.0.1.
            let good = server_at("127.0.0.2:0", Rc::new(kind)).await;
            let port = good.address.port();
            let bad: Script = Rc::new(move |number, line| match (trouble, line) {
                ("554 at greeting", "") => Some("554 no".into()),
                ("close at greeting", "") => None,
                ("421 at MAIL", line) if line.starts_with("MAIL") => Some("421 going down".into()),
                ("close at DATA", "DATA") => None,
                _ => kind(number, line),
            });
            if trouble != "nobody there" {
                let address = format!("127.0.0.1:{port}");
                let Ok(probe) = TcpListener::bind(&address).await else {
                    eprintln!("skipped: somebody else has {address}");
                    return;
                };
                drop(probe);
                server_at(&address, bad).await;
            }
            let home = Home::new(good.address, &[("smtproutes", &format!(":hub.test:{port}\n"))]);
            let servers = names(vec![[127, 0, 0, 1], [127, 0, 0, 2]]).await;
            // The order of equals is random: a few deliveries meet both.
            for _ in 0..6 {
                let deliverer = Deliverer::asking(home.0.path(), Some(Pool::new()), servers);
                let want = "r\0K127.0.0.2 accepted message.\nRemote host said: 250 ok\n\0";
                assert_eq!(deliver(&deliverer, &["a@dest.test"]).await, want, "{trouble}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_on_ehlo_gets_helo() {
    local(async {
        let server =
            server(|number, line| if line.starts_with("EHLO") { None } else { kind(number, line) }).await;
        let home = Home::new(server.address, &[]);
        assert_eq!(deliver(&home.deliverer(), &["a@dest.test"]).await, TAKEN);
        assert_eq!(server.heard.borrow()[1][0], "HELO me.test");
    })
    .await;
}
