//! The lists of providers and relays.

use super::*;
use crate::domain::registrable;

#[test]
fn the_list_is_sorted_and_each_entry_is_a_registrable_domain() {
    assert!(FREEMAIL.len() >= 150);
    assert!(FREEMAIL.is_sorted_by(|one, next| one < next));
    for domain in FREEMAIL {
        assert_eq!(registrable(domain).as_deref(), Ok(*domain));
    }
}

#[test]
fn free_mailboxes_of_many_countries_are_known_and_those_of_firms_are_not() {
    for domain in [
        "gmail.com",
        "googlemail.com",
        "yahoo.co.jp",
        "hotmail.fr",
        "outlook.com",
        "live.nl",
        "icloud.com",
        "gmx.at",
        "web.de",
        "t-online.de",
        "laposte.net",
        "libero.it",
        "seznam.cz",
        "mail.ru",
        "yandex.ru",
        "qq.com",
        "163.com",
        "naver.com",
        "proton.me",
        "tutanota.com",
        "mailinator.com",
        "duck.com",
        "mozmail.com",
        "passmail.net",
        "simplelogin.co",
        "facebookmail.com",
        "googlegroups.com",
        "docomo.ne.jp",
        "example.com",
        "example.net",
        "example.org",
    ] {
        assert!(is_freemail(domain), "{domain}");
    }
    for domain in ["acme.com", "google.com", "microsoft.com", "com", ""] {
        assert!(!is_freemail(domain), "{domain}");
    }
}

#[test]
fn hosts_of_relays_are_sorted_and_each_is_below_a_domain_that_is_somebodys() {
    assert!(RELAYS.is_sorted_by(|one, next| one < next));
    for host in RELAYS {
        let domain = registrable(host).expect("a domain");
        assert_ne!(&domain, host);
        assert!(!is_freemail(&domain), "{host}");
        let below = host.split_once('.').map(|(_, rest)| is_relay(rest));
        assert_eq!(below, Some(false), "{host} is below another one");
    }
}

#[test]
fn addresses_at_relays_stand_for_others_and_those_of_their_firms_do_not() {
    for host in [
        "privaterelay.appleid.com",
        "users.noreply.github.com",
        "marketplace.amazon.co.uk",
        "members.ebay.de",
        "relay.firefox.com",
        "reply.craigslist.org",
        "abc.sale.craigslist.org",
        "i.softbank.jp",
    ] {
        assert!(is_relay(host), "{host}");
    }
    for host in [
        "appleid.com",
        "github.com",
        "amazon.com",
        "notmarketplace.amazon.com",
        "softbank.jp",
        "craigslist.org",
        "com",
        "",
    ] {
        assert!(!is_relay(host), "{host}");
    }
}
